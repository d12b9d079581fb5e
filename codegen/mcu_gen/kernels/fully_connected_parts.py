"""Kernels of FULLY_CONNECTED on a map, part by part: a fused segment can end in them, and the map is never whole.

Each part of the map adds its products to one sum per output, which scratch keeps from call to call.  A map that lies in
memory is multiplied faster by the kernels of ``fully_connected.py``.
"""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import bias_field, bounds_fields, constant, folded_bias
from mcu_gen.kernels.contract import Array, Call, In, Kernel, Out, Scratch, Tiling, Value, kernel
from mcu_gen.kernels.dsp_fully_connected import row_stream
from mcu_gen.kernels.fully_connected import exact_factor
from mcu_gen.kernels.scalar_common import CHANNELS, interleaved
from mcu_gen.kernels.spatial_sum import WHOLE
from mcu_gen.ops import weights
from mcu_gen.ops.fully_connected import weights_zero_point
from mcu_gen.targets import Target


class FullyConnectedParts(Kernel):
    """One vector, which is a map whose pixels are its last axis."""

    ops = ("fully_connected",)
    #: outputs that are summed at once
    width = 1
    tiles_only = True
    dtype: DType

    def rejects(self, node: Node, target: Target) -> str | None:
        if node.x.dtype is not self.dtype:
            return f"input is {node.x.dtype.value}"
        if not node.x.shape or node.x.elements != node.input(1).shape[1]:
            return "the input is more than one vector"
        if not node.input(1).is_constant or (node.has_input(2) and not node.input(2).is_constant):
            return "weights are not constant"
        return None

    def scratch(self, node: Node, target: Target) -> int:
        return 4 * node.y.elements

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        return {(0, 0): 0}  # everything is read before anything is written

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return Tiling("reduce", "pixels", position="first")

    def work(self, node: Node, target: Target) -> dict[str, float]:
        outputs = node.y.elements
        blocks = -(-outputs // self.width)
        return {"call": 1, "block": blocks, "output": outputs, "step": node.x.elements * blocks}

    def call(self, node: Node, target: Target) -> Call:
        depth = node.input(1).shape[1]
        own: dict[str, Value] = {
            "first": 0,
            "pixels": depth // node.x.shape[-1],
            "pixel": node.x.shape[-1],
            "part": WHOLE,
            "depth": depth,
            "channels": node.y.elements,
        }
        return Call(own | self.product(node), (In(0), Out(0), Scratch()))

    def product(self, node: Node) -> dict[str, Value]:
        """Fields of weights, bias and scaling."""
        raise NotImplementedError(self.name)


@kernel
class FullyConnectedPartsS8(FullyConnectedParts):
    """int8; sums wrap around in 32 bits, so the order of the parts is free."""

    name = "fully_connected_parts_s8"
    dtype = DType.INT8
    width = CHANNELS

    def rejects(self, node: Node, target: Target) -> str | None:
        zero_point = "weights have a zero point" if weights_zero_point(node) else None
        return super().rejects(node, target) or zero_point

    def product(self, node: Node) -> dict[str, Value]:
        w = constant(node.input(1))
        low, high = weights.output_range(node)
        reach = max(high - node.y.zp, node.y.zp - low, 0) + 1
        factors = [exact_factor(s, reach) for s in weights.channel_scales(node)]
        halves = np.array([[m & 0xFFFFFFFF, m >> 32] for m, _ in factors], np.uint32)
        return {
            "weights": Array(interleaved(w, CHANNELS), "weights"),
            "bias": Array(folded_bias(w, weights.bias_of(node), node.x.zp), "bias"),
            "multiplier": Array(halves, "multiplier"),
            "shift": Array(np.array([s for _, s in factors], np.int8), "shift"),
            "output_zero_point": node.y.zp,
            "low": low,
            "high": high,
        }


@kernel
class FullyConnectedPartsS8Dsp(FullyConnectedPartsS8):
    """int8 with two multiplications per instruction, for pixels of a multiple of 4 numbers."""

    name = "fully_connected_parts_s8_dsp"
    features = ("dsp",)

    def rejects(self, node: Node, target: Target) -> str | None:
        why = super().rejects(node, target)
        return why or ("pixels are no multiple of 4 numbers" if node.x.shape[-1] % 4 else None)

    def product(self, node: Node) -> dict[str, Value]:
        return super().product(node) | {"weights": Array(row_stream(constant(node.input(1))), "weights")}


@kernel
class FullyConnectedPartsF32(FullyConnectedParts):
    """float32; products are added in order of depth as in ``fully_connected_f32``, if the parts come in that order."""

    name = "fully_connected_parts_f32"
    dtype = DType.FLOAT32

    def product(self, node: Node) -> dict[str, Value]:
        return {"weights": Array(constant(node.input(1)), "weights"), "bias": bias_field(node)} | bounds_fields(node)
