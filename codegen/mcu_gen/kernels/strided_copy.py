"""Kernel of TRANSPOSE, SLICE, STRIDED_SLICE and BROADCAST_TO: one strided copy in nested loops."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.kernels.common import copied_work
from mcu_gen.kernels.contract import Array, Call, Kernel, kernel
from mcu_gen.kernels.strided import MAX_RUNS, loops, sequential_lead
from mcu_gen.ops.broadcast_to import broadcast_view
from mcu_gen.ops.movement import View
from mcu_gen.ops.slice import slice_view
from mcu_gen.ops.strided_slice import strided_slice_view
from mcu_gen.ops.transpose import transpose_view
from mcu_gen.targets import Target

#: As many loops as the C code has counters.
MAX_LOOPS = 8


def view_of(node: Node) -> View:
    """The input of the operator, in the order of the output."""
    return {
        "transpose": transpose_view,
        "slice": slice_view,
        "strided_slice": strided_slice_view,
        "broadcast_to": broadcast_view,
    }[node.type](node)


@kernel
class StridedCopy(Kernel):
    """Elements of any size; runs that are contiguous on both sides are copied at once."""

    name = "strided_copy"
    ops = ("transpose", "slice", "strided_slice", "broadcast_to")

    def rejects(self, node: Node, target: Target) -> str | None:
        depth = len(loops(view_of(node), node.x.dtype.size).dims)
        return None if depth <= MAX_LOOPS else f"{depth} nested loops, at most {MAX_LOOPS}"

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        nest = loops(view_of(node), node.x.dtype.size)
        return {(0, 0): sequential_lead(nest.starts(), nest.run)} if nest.runs <= MAX_RUNS else {}

    def work(self, node: Node, target: Target) -> dict[str, float]:
        nest = loops(view_of(node), node.x.dtype.size)
        rows = int(np.prod(nest.dims[:-1]))
        work = {"call": 1.0, "row": rows}
        if nest.run in (1, 2, 4, 8):
            return work | {f"run{nest.run}": nest.runs}
        return work | {"run": nest.runs} | copied_work([nest.run], nest.runs)

    def call(self, node: Node, target: Target) -> Call:
        nest = loops(view_of(node), node.x.dtype.size)
        return Call(
            {
                "rank": len(nest.dims),
                "rows": int(np.prod(nest.dims[:-1])),
                "run": nest.run,
                "offset": nest.offset,
                "dims": Array(np.array(nest.dims, np.uint32), "dims"),
                "strides": Array(np.array(nest.strides, np.int32), "strides"),
            }
        )
