"""ADD and SUB of int8 tensors of one shape, in plain C with hoisted constants."""

from __future__ import annotations

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import loop_work
from mcu_gen.kernels.contract import Call, In, Out, Tiling, Value, kernel
from mcu_gen.kernels.elementwise import QuantizedSum, broadcast_loop
from mcu_gen.ops.binary import sum_scaling
from mcu_gen.targets import Target


class RowSum(QuantizedSum):
    """One row of elements: nothing is repeated, and no factor shifts to the left."""

    dtype = DType.INT8

    def rejects(self, node: Node, target: Target) -> str | None:
        why = super().rejects(node, target)
        if why is not None:
            return why
        loop = broadcast_loop(node.input(0).shape, node.input(1).shape)
        if loop.dims or loop.steps != (1, 1):
            return "an input is repeated"
        s = sum_scaling(node)
        if max(s.inputs[0][1], s.inputs[1][1], s.output[1]) > 0 or s.left_shift > 20:
            return "a factor of 1 and more"
        return None

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return Tiling("run", "inner", node.y.shape[-1] if node.y.shape else 1)

    def call(self, node: Node, target: Target) -> Call:
        return Call({"inner": node.y.elements, **self.arithmetic(node)}, (In(0), In(1), Out()))


@kernel
class AddRowS8(RowSum):
    """Plain C; multipliers doubled, shifts to the right."""

    name = "add_row_s8"

    def work(self, node: Node, target: Target) -> dict[str, float]:
        return loop_work(node.y.elements)

    def arithmetic(self, node: Node) -> dict[str, Value]:
        fields = super().arithmetic(node)
        for which in ("0", "1", ""):
            multiplier, shift = fields[f"multiplier{which}"], fields[f"shift{which}"]
            assert isinstance(multiplier, int)
            assert isinstance(shift, int)
            fields[f"multiplier{which}"], fields[f"shift{which}"] = 2 * multiplier, -shift
        return fields
