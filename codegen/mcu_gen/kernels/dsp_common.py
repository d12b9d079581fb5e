"""What the int8 kernels for two 16-bit multiplications per instruction share: exact scaling, streams of weights."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.kernels.common import constant, folded_bias
from mcu_gen.kernels.contract import Value
from mcu_gen.ops import spatial, weights

#: Sums that are doubled before their multiplication stay below this.
LIMIT = 1 << 30


def filter_rows(node: Node) -> np.ndarray:
    """Filters of CONV_2D, or of DEPTHWISE_CONV_2D as filters of a single channel each; int8 [OC, K]."""
    w = constant(node.input(1))
    if node.type == "depthwise_conv2d":
        return np.ascontiguousarray(w.reshape(-1, w.shape[3]).T)
    return w.reshape(w.shape[0], -1)


def scaling(node: Node) -> tuple[np.ndarray, np.ndarray]:
    """``(multipliers, right shifts)`` per channel; int32 each.  A multiplier of 0 takes any shift."""
    multipliers, shifts = weights.channel_multipliers(node)
    return multipliers, np.where(multipliers == 0, 1, -shifts).astype(np.int32)


def not_exact(node: Node, rows: np.ndarray) -> str | None:
    """Why ``mg_requant_s8`` may differ from the reference for some sum of ``node``; None where it never does.

    It wants a right shift of at least 1 and sums below 2**30, which depend on the weights alone: every product of a
    weight w lies between -128 w and 127 w.

    Args:
        rows: filters, int8 [OC, K].
    """
    _, right = scaling(node)
    if int(right.min()) < 1:
        return "a scale of at least 1/2"
    bias = folded_bias_exact(node, rows)
    wide = rows.astype(np.int64)
    low = bias + np.minimum(wide * 127, wide * -128).sum(axis=1)
    high = bias + np.maximum(wide * 127, wide * -128).sum(axis=1)
    if int(low.min()) <= -LIMIT or int(high.max()) >= LIMIT:
        return "sums may reach 2^30"
    return None


def folded_bias_exact(node: Node, rows: np.ndarray) -> np.ndarray:
    """Bias with the zero point of the input folded in, not reduced to 32 bits; int64 [OC]."""
    bias = weights.bias_of(node)
    total: np.ndarray = -node.x.zp * rows.astype(np.int64).sum(axis=1)
    return total if bias is None else total + bias.astype(np.int64)


def output_fields(node: Node) -> dict[str, Value]:
    """Zero point and fused activation of outputs that have been saturated to int8."""
    low, high = weights.output_range(node)
    return {"zp2": 2 * node.y.zp + 1, "low": low, "high": high}


def needs_clamp(node: Node) -> bool:
    """Whether the activation is narrower than int8."""
    return weights.output_range(node) != (-128, 127)


def halves(numbers: np.ndarray) -> np.ndarray:
    """int8 numbers [..., 2n] as pairs of int16 in words; uint32 [..., n]."""
    words: np.ndarray = np.ascontiguousarray(numbers.astype("<i2")).view("<u4").astype(np.uint32)
    return words


def pair_stream(node: Node, rows: np.ndarray, *, wide: bool = False) -> np.ndarray:
    """Weights, biases and scales in the order of ``mg_block_s8_2x3``; uint32 [pairs * (depth / 2 + 5)].

    An odd number of channels is filled up with one that is 0.  With ``wide`` weights are int16, in the order of
    ``mg_block_w16_2x3``; uint32 [pairs * (depth + 5)].
    """
    channels, _ = rows.shape
    even = channels + channels % 2
    depth = -(-rows.shape[1] // 4) * 4
    w = np.zeros((even, depth), np.int8)
    w[:channels, : rows.shape[1]] = rows
    multipliers, right = scaling(node)
    bias, m, n1 = (np.zeros(even, np.uint32) for _ in range(3))
    bias[:channels] = folded_bias(rows, weights.bias_of(node), node.x.zp).astype(np.uint32)
    m[:channels] = multipliers.astype(np.uint32)
    n1[:channels] = (right - 1).astype(np.uint32)
    if wide:
        fours = w.reshape(even // 2, 2, depth // 4, 2, 2)  # [pair, channel, step, k / 2, k % 2]
        words = halves(fours.transpose(0, 2, 4, 1, 3)).reshape(even // 2, -1)
    else:
        packed = np.ascontiguousarray(w.reshape(even // 2, 2, depth // 4, 4).transpose(0, 2, 1, 3))
        words = packed.view("<u4").reshape(even // 2, -1).astype(np.uint32)
    scales = np.stack([m[0::2], n1[0::2] | n1[1::2] << 8, m[1::2]], axis=1)
    stream: np.ndarray = np.concatenate([bias.reshape(-1, 2), words, scales], axis=1).reshape(-1)
    return stream


def lead(first_read: np.ndarray, ends: np.ndarray) -> int:
    """Least distance of an output below an input for writes in any order.

    Write ``k`` ends before the output byte ``ends[k]`` and comes after the reads of step ``k``, whose lowest byte is
    ``first_read[k]``.  Both int64 [steps].
    """
    if first_read.size < 2:
        return 0
    needed = np.minimum.accumulate(first_read[:0:-1])[::-1]
    return max(0, int((ends[:-1] - needed).max()))


def inside(axis: spatial.Axis) -> int:
    """Outputs whose windows do not reach into the padding."""
    origin = axis.origins()
    return int(((origin >= 0) & (origin + axis.extent <= axis.size)).sum())
