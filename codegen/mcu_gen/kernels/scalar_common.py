"""What the register-blocked int8 kernels share: which nodes they take, packed parameters, events of reads and writes.

They multiply two pixels by a block of channels, with the zero point of the input folded into the bias; windows that
leave the image are copied to scratch with the zero point in the padding.  Sums have to stay below 2**30 in magnitude,
and every multiplier has to shift right: then both roundings of the reference take eight instructions
(``mg_requant_right``).  Nodes outside these limits are left to the kernels for any node.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import constant, folded_bias, window_starts
from mcu_gen.kernels.contract import Array, Value
from mcu_gen.ops import spatial, weights

#: Pixels that are multiplied together.
PIXELS = 2
#: Channels that plain C multiplies together.
CHANNELS = 4
#: Sums stay below this.
SUM_LIMIT = 1 << 30
#: A read that does not happen.
NEVER = np.int64(1) << 60


def filter_rows(node: Node) -> np.ndarray:
    """Filters of a convolution that is not in groups, one row per output channel; int8 [OC, KH * KW * IC]."""
    w = constant(node.input(1))
    if node.type == "depthwise_conv2d":
        return w.reshape(-1, node.y.shape[3]).T
    return w.reshape(node.y.shape[3], -1)


def tap_rows(node: Node) -> np.ndarray:
    """Filters of a depthwise convolution, one row per channel; int8 [OC, KH * KW]."""
    return constant(node.input(1)).reshape(-1, node.y.shape[3]).T


def unsuitable(node: Node, layout: Callable[[Node], np.ndarray]) -> str | None:
    """Why ``node`` cannot be computed with packed weights and ``mg_requant_right``; None when it can.

    Args:
        node: a convolution.
        layout: its filters, one row per output channel.
    """
    if node.x.dtype is not DType.INT8:
        return f"input is {node.x.dtype.value}"
    if not node.input(1).is_constant or (node.has_input(2) and not node.input(2).is_constant):
        return "weights are not constant"
    rows = layout(node)
    largest = 255 * np.abs(rows.astype(np.int64)).sum(axis=1)
    bias = weights.bias_of(node)
    if bias is not None:
        largest = largest + np.abs(bias.astype(np.int64))
    if int(largest.max()) >= SUM_LIMIT:
        return "sums of 2**30 and more"
    multiplier, shift = weights.channel_multipliers(node)
    if bool(np.any((shift >= 0) & (multiplier != 0))):
        return "a factor of 0.5 and more"
    return None


def scaling(node: Node) -> dict[str, Value]:
    """Fields for ``mg_requant_right``: doubled multipliers, shifts to the right, zero point, activation."""
    multiplier, shift = weights.channel_multipliers(node)
    low, high = weights.output_range(node)
    right = np.where(multiplier == 0, 1, -shift).astype(np.int8)  # the shift of a multiplier 0 is free
    return {
        "multiplier": Array(multiplier.astype(np.uint32) * np.uint32(2), "multiplier"),
        "shift": Array(right, "shift"),
        "output_zero_point": node.y.zp,
        "low": low,
        "high": high,
    }


def padded_bias(node: Node, rows: np.ndarray, multiple: int) -> Array:
    """Bias with the zero point of the input folded in, up to a multiple of ``multiple`` channels."""
    bias = folded_bias(rows, weights.bias_of(node), node.x.zp)
    return Array(np.pad(bias, (0, -len(bias) % multiple)), "bias")


def interleaved(rows: np.ndarray, width: int) -> np.ndarray:
    """Rows [N, K] in blocks of ``width`` channels: [N / width, K, width], the last block filled up with zeros."""
    full = np.pad(rows, ((0, -rows.shape[0] % width), (0, 0)))
    return np.ascontiguousarray(full.reshape(-1, width, rows.shape[1]).transpose(0, 2, 1))


def leaves_image(node: Node, *, contiguous: bool) -> np.ndarray:
    """Whether the window of each output pixel of an image leaves the input; bool [OH * OW].

    With ``contiguous``, windows whose columns are not neighbours count as well.
    """
    h, w = spatial.geometry(node)
    outside = []
    for axis in (h, w):
        origin = axis.origins()
        outside.append((origin < 0) | (origin + axis.extent > axis.size))
    found: np.ndarray = (outside[0][:, None] | outside[1][None, :]).reshape(-1)
    if contiguous and w.dilation > 1 and w.taps > 1:
        return np.ones_like(found)
    return found


def event_lead(reads: np.ndarray, ends: np.ndarray) -> int:
    """Smallest distance by which an output must start below an input, from the order of reads and writes.

    Event ``k`` reads input bytes of which ``reads[k]`` is the lowest (:data:`NEVER`: none), then writes output bytes up
    to ``ends[k]``, exclusive.
    """
    if reads.size < 2:
        return 0
    later = np.minimum.accumulate(reads[:0:-1])[::-1]
    return max(0, int((ends[:-1] - later).max()))


def block_ends(last: np.ndarray, channels: int, width: int) -> np.ndarray:
    """End of the bytes written for each group of pixels (``last`` of each) and block of channels; int64, flat."""
    stops = np.minimum(np.arange(width, channels + width, width, dtype=np.int64), channels)
    ends: np.ndarray = (last[:, None] * channels + stops[None, :]).reshape(-1)
    return ends


def pixel_pairs(pixels: int, batches: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last pixel of every pair; pairs do not cross images.  int64 [pairs] each."""
    first = np.arange(0, pixels, PIXELS, dtype=np.int64)
    last = np.minimum(first + PIXELS - 1, pixels - 1)
    offset = np.arange(batches, dtype=np.int64)[:, None] * pixels
    return (offset + first).reshape(-1), (offset + last).reshape(-1)


def copied_per_pair(copied: np.ndarray) -> int:
    """The most windows that a pair of pixels copies."""
    first, last = pixel_pairs(copied.size, 1)
    return int((copied[first].astype(int) + np.where(last > first, copied[last], False)).max())


def product_lead(node: Node, width: int, copied: np.ndarray) -> int:
    """Lead of a kernel that multiplies pairs of windows by blocks of ``width`` channels.

    Windows that are copied are read once, before anything is written for their pair; others by every block.
    """
    starts = window_starts(node) * node.x.shape[3]
    pixels = copied.size
    batches = starts.size // pixels
    first, last = pixel_pairs(pixels, batches)
    channels = node.y.shape[3]
    blocks = -(-channels // width)
    again = np.where(np.tile(copied, batches), NEVER, starts)
    reads = np.repeat(np.minimum(again[first], again[last])[:, None], blocks, axis=1)
    reads[:, 0] = np.minimum(starts[first], starts[last])
    return event_lead(reads.reshape(-1), block_ends(last, channels, width))
