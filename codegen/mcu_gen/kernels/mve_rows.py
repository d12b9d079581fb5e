"""What the kernels over blocks of 16 int8 numbers share: packed rows of weights, scalings, and order of writes."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.kernels.common import folded_bias
from mcu_gen.kernels.contract import Array, Value
from mcu_gen.ops import weights

#: Numbers of a vector.
LANES = 16
#: Channels of a block.
QUAD = 4
#: Pixels of so few bytes are spread several at a time.
NARROW = 4

#: ``MG_SCALING_...`` of ``firmware/simd/vector128.h``.
ANY, RIGHT, POSITIVE = 0, 1, 2


def blocks(length: int) -> int:
    """Vectors that hold a row of ``length`` numbers."""
    return -(-length // LANES)


def packed_rows(rows: np.ndarray) -> np.ndarray:
    """int8 rows [N, K] as [ceil(N / 4), ceil(K / 16), 4, 16], filled up with zeros."""
    n, k = rows.shape
    filled = np.zeros((-(-n // QUAD), QUAD, blocks(k), LANES), np.int8)
    filled.reshape(-1, blocks(k) * LANES)[:n, :k] = rows
    return np.ascontiguousarray(filled.transpose(0, 2, 1, 3))


def packed_scaling(*per_channel: np.ndarray) -> np.ndarray:
    """Numbers per channel [N], each, as int32 [ceil(N / 4), len(per_channel), 4], filled up with zeros."""
    table = np.stack([a.astype(np.int32) for a in per_channel])
    table = np.pad(table, ((0, 0), (0, -table.shape[1] % QUAD)))
    return np.ascontiguousarray(table.reshape(len(per_channel), -1, QUAD).transpose(1, 0, 2))


def known_scaling(node: Node) -> int:
    """``MG_SCALING_...``: what can be left out of the requantisation of ``node``."""
    _, shift = weights.channel_multipliers(node)
    if shift.max(initial=0) > 0:
        return ANY
    return POSITIVE if weights.output_range(node)[0] >= node.y.zp else RIGHT


def rows_fields(node: Node, rows: np.ndarray) -> dict[str, Value]:
    """Fields of ``templates/kernels/_rows.j2`` for the rows [out_c, K] of a convolution."""
    low, high = weights.output_range(node)
    bias = folded_bias(rows, weights.bias_of(node), node.x.zp)
    return {
        "weights": Array(packed_rows(rows), "weights"),
        "scaling": Array(packed_scaling(bias, *weights.channel_multipliers(node)), "scaling"),
        "blocks": blocks(rows.shape[1]),
        "out_c": rows.shape[0],
        "output_zero_point": node.y.zp,
        "low": low,
        "high": high,
        "known": known_scaling(node),
    }


def rows_work(node: Node, length: int, pairs: int) -> dict[str, float]:
    """Work of ``mg_mk_rows_s8_2`` for rows of ``length`` numbers, ``pairs`` times."""
    channels = node.y.shape[3]
    quads = pairs * -(-channels // QUAD)
    return {
        "call": 1,
        "pair": pairs,
        ("quad any", "quad right", "quad positive")[known_scaling(node)]: quads,
        "block": quads * blocks(length),
        "masked": pairs * (channels % QUAD > 0),
    }


def ordered_lead(ends: np.ndarray, starts: np.ndarray) -> int:
    """Smallest distance by which an output must start below an input.

    Step ``k`` reads input bytes of which ``starts[k]`` is the lowest, and then has written all output bytes below
    ``ends[k]``; no byte may be written before its last read.

    Args:
        ends, starts: int64 [steps]; ``ends`` does not decrease.
    """
    if starts.size < 2:
        return 0
    needed = np.minimum.accumulate(starts[:0:-1])[::-1]  # lowest byte read after step k
    return max(0, int((ends[:-1] - needed).max()))
