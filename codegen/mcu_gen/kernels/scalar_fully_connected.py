"""int8 FULLY_CONNECTED in plain C, four channels at a time."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import MAX_ELEMENTS, constant, folded_bias
from mcu_gen.kernels.contract import Array, Call, Kernel, Tiling, Value, kernel
from mcu_gen.kernels.fully_connected import by_pixel, exact_factor
from mcu_gen.kernels.scalar_common import CHANNELS, block_ends, event_lead, interleaved
from mcu_gen.ops import weights
from mcu_gen.ops.fully_connected import weights_zero_point
from mcu_gen.targets import Target


class BlockFullyConnected(Kernel):
    """Weights without zero point, and factors below 0.5: the last shift takes more than 32 bits."""

    ops = ("fully_connected",)
    width = CHANNELS

    def rejects(self, node: Node, target: Target) -> str | None:
        if node.x.dtype is not DType.INT8:
            return f"input is {node.x.dtype.value}"
        if not node.input(1).is_constant or (node.has_input(2) and not node.input(2).is_constant):
            return "weights are not constant"
        if weights_zero_point(node) != 0:
            return "weights have a zero point"
        if any(shift <= 32 for m, shift in self.factors(node) if m != 0):
            return "a factor of 0.5 and more"
        return None

    @staticmethod
    def factors(node: Node) -> list[tuple[int, int]]:
        """Multipliers of 63 bits and shifts of ``mg_requant_away``."""
        low, high = weights.output_range(node)
        reach = max(high - node.y.zp, node.y.zp - low, 0) + 1
        return [exact_factor(s, reach) for s in weights.channel_scales(node)]

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return by_pixel(node, signed=True)

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        """Every block of outputs reads the whole row."""
        if node.y.elements > MAX_ELEMENTS:
            return {}
        channels, depth = node.input(1).shape
        rows = np.arange(node.x.elements // depth, dtype=np.int64)
        reads = np.repeat(rows * depth, -(-channels // self.width))
        return {(0, 0): event_lead(reads, block_ends(rows, channels, self.width))}

    def call(self, node: Node, target: Target) -> Call:
        w = constant(node.input(1))
        factors = self.factors(node)
        low, high = weights.output_range(node)
        bias = folded_bias(w.astype(np.int64), weights.bias_of(node), node.x.zp)
        shape: dict[str, Value] = {
            "rows": node.x.elements // w.shape[1],
            "depth": w.shape[1],
            "channels": w.shape[0],
        }
        tail: dict[str, Value] = {"output_zero_point": node.y.zp, "low": low, "high": high}
        return Call(shape | self.packed(w, bias, factors) | tail)

    def packed(self, w: np.ndarray, bias: np.ndarray, factors: list[tuple[int, int]]) -> dict[str, Value]:
        """Fields of weights [N, K], bias [N] and factors."""
        raise NotImplementedError(self.name)


def shifts(factors: list[tuple[int, int]]) -> np.ndarray:
    """Shifts beyond the 32 that the upper half of the product takes; int64 [N]."""
    return np.array([s - 32 if m else 1 for m, s in factors], np.int64)


@kernel
class FullyConnectedBlockS8(BlockFullyConnected):
    """Plain C."""

    name = "fully_connected_block_s8"

    def work(self, node: Node, target: Target) -> dict[str, float]:
        channels, depth = node.input(1).shape
        rows = node.x.elements // depth
        blocks = rows * -(-channels // CHANNELS)
        return {
            "call": 1,
            "row": rows,
            "block": blocks,
            "step": blocks * (depth // 2),
            "odd": blocks * (depth % 2),
            "output": rows * channels,
        }

    def packed(self, w: np.ndarray, bias: np.ndarray, factors: list[tuple[int, int]]) -> dict[str, Value]:
        halves = np.array([[m & 0xFFFFFFFF, m >> 32] for m, _ in factors], np.uint32)
        return {
            "weights": Array(interleaved(w, CHANNELS), "weights"),
            "bias": Array(np.pad(bias, (0, -len(bias) % CHANNELS)), "bias"),
            "multiplier": Array(halves, "multiplier"),
            "shift": Array(shifts(factors).astype(np.int8), "shift"),
        }
