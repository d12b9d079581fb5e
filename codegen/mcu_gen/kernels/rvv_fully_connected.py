"""int8 FULLY_CONNECTED with channels along long vectors (RISC-V V)."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.kernels.common import constant
from mcu_gen.kernels.contract import Array, Value, kernel
from mcu_gen.kernels.rvv_common import LANES, channels_last, too_low, vectors
from mcu_gen.kernels.scalar_fully_connected import BlockFullyConnected, shifts
from mcu_gen.targets import Target


@kernel
class FullyConnectedS8Rvv(BlockFullyConnected):
    """Every number of the input times one row of weights [channels]."""

    name = "fully_connected_s8_rvv"
    features = ("rvv",)
    definitions = ("lanes",)
    width = LANES

    def rejects(self, node: Node, target: Target) -> str | None:
        return super().rejects(node, target) or too_low(constant(node.input(1)))

    def work(self, node: Node, target: Target) -> dict[str, float]:
        channels, depth = node.input(1).shape
        rows = node.x.elements // depth
        blocks = rows * vectors(channels)
        halves = rows * -(-channels // (LANES // 2))
        work: dict[str, float] = {"call": 1, "row": rows, "block": blocks, "half": halves}
        return work | {"step": blocks * (depth // 2), "odd": blocks * (depth % 2)}

    def packed(self, w: np.ndarray, bias: np.ndarray, factors: list[tuple[int, int]]) -> dict[str, Value]:
        return {
            "weights": channels_last(w),
            "bias": Array(bias, "bias"),
            "low_half": Array(np.array([m & 0xFFFFFFFF for m, _ in factors], np.uint32), "multiplier"),
            "high_half": Array(np.array([m >> 32 for m, _ in factors], np.uint32), "multiplier"),
            "shift": Array(shifts(factors).astype(np.uint32), "shift"),
        }
