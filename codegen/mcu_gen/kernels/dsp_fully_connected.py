"""int8 FULLY_CONNECTED with two 16-bit multiplications per instruction: four rows of weights at a time."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.kernels.common import constant, folded_bias
from mcu_gen.kernels.contract import Array, Call, Value, kernel
from mcu_gen.kernels.dsp_common import halves
from mcu_gen.kernels.scalar_fully_connected import BlockFullyConnected, shifts
from mcu_gen.ops import weights
from mcu_gen.targets import Target

#: Rows that are multiplied together.
ROWS = 4


@kernel
class FullyConnectedS8Dsp(BlockFullyConnected):
    """Needs no scratch; scaling as in ``fully_connected_block_s8``."""

    name = "fully_connected_s8_dsp"
    features = ("dsp",)
    width = ROWS

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        channels, depth = node.input(1).shape
        rows = node.x.elements // depth
        blocks = rows * -(-channels // ROWS)
        return {
            "call": 1,
            "row": rows,
            "block": blocks,
            "micro-kernel": blocks * (depth >= 4),
            "step": blocks * (depth // 4),
            "turn": blocks * -(-(depth // 4) // 2),
            "rest": blocks * (depth % 4),
            "output": rows * channels,
        }

    def call(self, node: Node, target: Target) -> Call:
        del target
        w = constant(node.input(1))
        low, high = weights.output_range(node)
        factors = self.factors(node)
        bias = folded_bias(w, weights.bias_of(node), node.x.zp)
        own: dict[str, Value] = {
            "rows": node.x.elements // w.shape[1],
            "in_c": w.shape[1],
            "depth": depth_of(node),
            "channels": w.shape[0],
            "weights": Array(row_stream(w, wide=self.expanded), "weights"),
            "bias": Array(np.pad(bias, (0, -bias.size % ROWS)), "bias"),
            "multiplier": Array(np.array([[m & 0xFFFFFFFF, m >> 32] for m, _ in factors], np.uint32), "multiplier"),
            "shift": Array(shifts(factors).astype(np.int8), "shift"),
            "output_zero_point": node.y.zp,
            "low": low,
            "high": high,
        }
        return Call(own)


def depth_of(node: Node) -> int:
    """Length of a vector, up to a multiple of 4."""
    return -(-node.input(1).shape[1] // 4) * 4


def row_stream(w: np.ndarray, *, wide: bool = False) -> np.ndarray:
    """Weights [N, K] in the order of ``mg_rows_s8_4``, filled up with zeros to multiples of 4; uint32 [N * K / 4].

    With ``wide`` as int16, in the order of ``mg_rows_w16_4``; uint32 [N * K / 2].
    """
    rows, depth = w.shape
    full = np.pad(w, ((0, -rows % ROWS), (0, -depth % 4)))
    if wide:
        fours = full.reshape(-1, ROWS, full.shape[1] // 4, 2, 2)  # [block, row, step, k / 2, k % 2]
        return halves(fours.transpose(0, 2, 4, 1, 3)).reshape(-1)
    packed = full.reshape(-1, ROWS, full.shape[1] // 4, 4).transpose(0, 2, 1, 3)
    words: np.ndarray = np.ascontiguousarray(packed).view("<u4").reshape(-1).astype(np.uint32)
    return words
