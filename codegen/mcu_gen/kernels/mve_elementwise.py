"""int8 ADD on cores with MVE, eight elements at a time."""

from __future__ import annotations

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.contract import Call, In, Kernel, Out, Tiling, kernel
from mcu_gen.kernels.elementwise import broadcast_loop
from mcu_gen.kernels.mve_rows import POSITIVE, RIGHT
from mcu_gen.ops.binary import code_range, sum_scaling
from mcu_gen.targets import Target

#: What takes the input with the larger scale to the common scale: 1/2.
HALF = (1 << 30, 0)


@kernel
class AddS8Mve(Kernel):
    """Equal shapes.  The input with the larger scale is only shifted."""

    name = "add_s8_mve"
    ops = ("add",)
    features = ("mve",)
    definitions = ("vector128",)

    def rejects(self, node: Node, target: Target) -> str | None:
        if node.x.dtype is not DType.INT8:
            return f"input is {node.x.dtype.value}"
        loop = broadcast_loop(node.input(0).shape, node.input(1).shape)
        if loop.dims or loop.steps != (1, 1):
            return "inputs are repeated"
        s = sum_scaling(node)
        if s.left_shift != 20 or HALF not in s.inputs:
            return "no input has the factor 1/2"
        if s.output[1] >= 0:
            return "sums are not scaled down"
        return None

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        return {(i, 0): 0 for i in (0, 1)}

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return Tiling("run", "inner", node.y.shape[-1] if node.y.shape else 0)

    def work(self, node: Node, target: Target) -> dict[str, float]:
        fields = self.call(node, target).params
        apart = (fields["multiplier1"], fields["shift1"]) != HALF
        kind = ("eight positive" if fields["known"] == POSITIVE else "eight") if apart else "eight equal"
        return {"call": 1, kind: -(-node.y.elements // 8), "masked": node.y.elements % 8 > 0}

    def call(self, node: Node, target: Target) -> Call:
        s = sum_scaling(node)
        first, second = (0, 1) if s.inputs[0] == HALF else (1, 0)
        low, high = code_range(node)
        fields = {
            "inner": node.y.elements,
            "zero_point0": node.input(first).zp,
            "zero_point1": node.input(second).zp,
            "multiplier1": s.inputs[second][0],
            "shift1": s.inputs[second][1],
            "multiplier": s.output[0],
            "shift": s.output[1],
            "output_zero_point": node.y.zp,
            "low": low,
            "high": high,
            "known": POSITIVE if low >= node.y.zp else RIGHT,
        }
        return Call(fields, (In(first), In(second), Out()))
