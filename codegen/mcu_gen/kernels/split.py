"""Kernel of SPLIT and UNPACK."""

from __future__ import annotations

import math

from mcu_gen.graph import Node
from mcu_gen.kernels.common import copied_work
from mcu_gen.kernels.contract import Call, In, Kernel, OutputList, kernel
from mcu_gen.ops.split import split_axis
from mcu_gen.ops.unpack import unpack_axis
from mcu_gen.targets import Target


@kernel
class Split(Kernel):
    """Elements of any size: a row of the input is a row of each output, one after the other."""

    name = "split"
    ops = ("split", "unpack")

    def rejects(self, node: Node, target: Target) -> str | None:
        return None

    def _rows(self, node: Node) -> int:
        axis = split_axis(node) if node.type == "split" else unpack_axis(node)
        return math.prod(node.x.shape[:axis])

    def work(self, node: Node, target: Target) -> dict[str, float]:
        rows, outputs = self._rows(node), len(node.outputs)
        piece = node.y.bytes // rows if rows else 0
        return {"call": 1, "row": rows, "piece": rows * outputs} | copied_work([piece] * outputs, rows)

    def call(self, node: Node, target: Target) -> Call:
        rows = self._rows(node)
        return Call(
            {"rows": rows, "outputs": len(node.outputs), "bytes": node.y.bytes // rows if rows else 0},
            (In(0), OutputList(tuple(range(len(node.outputs))))),
        )
