"""int8 ADD and SUB, and tables of 256 values, with long vectors (RISC-V V)."""

from __future__ import annotations

from mcu_gen.graph import Node
from mcu_gen.kernels.activation import Lookup8Bit
from mcu_gen.kernels.contract import Value, kernel
from mcu_gen.kernels.rvv_common import LANES, vectors
from mcu_gen.kernels.scalar_elementwise import RowSum
from mcu_gen.targets import Target


@kernel
class AddS8Rvv(RowSum):
    """Inputs of one shape."""

    name = "add_s8_rvv"
    features = ("rvv",)
    definitions = ("lanes",)

    def cost(self, node: Node, target: Target) -> int:
        return 38 * vectors(node.y.elements) + 73

    def arithmetic(self, node: Node) -> dict[str, Value]:
        fields = super().arithmetic(node)
        for which in ("0", "1", ""):
            shift = fields[f"shift{which}"]
            assert isinstance(shift, int)
            fields[f"shift{which}"] = -shift
        return fields


@kernel
class Lookup8BitRvv(Lookup8Bit):
    """Gathered from the table, a vector of codes at a time."""

    name = "lookup_8bit_rvv"
    features = ("rvv",)
    definitions = ("lanes",)

    def cost(self, node: Node, target: Target) -> int:
        return 7 * -(-node.x.elements // (4 * LANES)) + 20
