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

    def work(self, node: Node, target: Target) -> dict[str, float]:
        return {"call": 1, "vector": vectors(node.y.elements)}

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

    def work(self, node: Node, target: Target) -> dict[str, float]:
        return {"call": 1, "vector": -(-node.x.elements // (4 * LANES))}
