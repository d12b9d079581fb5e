"""The kernel of everything that leaves the bytes in place."""

from __future__ import annotations

from mcu_gen.graph import Node
from mcu_gen.kernels.contract import Call, Kernel, kernel
from mcu_gen.kernels.strided import loops
from mcu_gen.kernels.strided_copy import view_of
from mcu_gen.ops.concatenation import rescaling_table
from mcu_gen.ops.pad import pad_widths
from mcu_gen.ops.resize_nearest_neighbor import source_rows_and_columns
from mcu_gen.targets import Target


def keeps_bytes(node: Node) -> bool:
    """Whether the output of a data-movement operator is its input, byte for byte."""
    if node.type in ("reshape", "squeeze", "expand_dims"):
        return True
    if node.type in ("pad", "padv2"):
        return not any(before or after for before, after in pad_widths(node))
    if node.type == "concatenation":
        return len(node.inputs) == 1 and rescaling_table(node.x, node.y) is None
    if node.type == "resize_nearest_neighbor":
        rows, columns = source_rows_and_columns(node)
        return node.x.shape == node.y.shape and all((i == range(i.size)).all() for i in (rows, columns))
    return node.x.elements == node.y.elements and loops(view_of(node), 1).is_identity


@kernel
class CopyBytes(Kernel):
    """Nothing at all where input and output share storage, a copy elsewhere."""

    name = "copy_bytes"
    ops = (
        "reshape",
        "squeeze",
        "expand_dims",
        "transpose",
        "slice",
        "strided_slice",
        "pad",
        "padv2",
        "concatenation",
        "resize_nearest_neighbor",
    )
    alias = True

    def rejects(self, node: Node, target: Target) -> str | None:
        return None if keeps_bytes(node) else "it moves or adds elements"

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        return {(0, 0): 0}

    def cost(self, node: Node, target: Target) -> int:
        return node.y.bytes // 2

    def call(self, node: Node, target: Target) -> Call:
        return Call({"bytes": node.y.bytes})
