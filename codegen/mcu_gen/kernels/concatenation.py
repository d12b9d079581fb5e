"""Kernels of CONCATENATION and PACK."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.kernels.common import copied_work
from mcu_gen.kernels.contract import Array, Call, InputList, Kernel, Out, Tiling, kernel
from mcu_gen.ops.concatenation import concatenation_axis, rescaling_table
from mcu_gen.ops.pack import pack_axis
from mcu_gen.targets import Target


def layout(node: Node) -> tuple[int, list[int]]:
    """``(rows, bytes of a row per input)``: a row of the output is a row of each input, one after the other."""
    axis = pack_axis(node) if node.type == "pack" else concatenation_axis(node)
    rows = int(np.prod(node.y.shape[:axis]))
    return rows, [node.input(i).bytes // rows if rows else 0 for i in range(len(node.inputs))]


def needs_rescaling(node: Node) -> bool:
    return node.type == "concatenation" and any(
        rescaling_table(node.input(i), node.y) is not None for i in range(len(node.inputs))
    )


class _Concatenation(Kernel):
    ops: ClassVar[tuple[str, ...]] = ("concatenation",)

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        # Row r of input i is read at r * bytes[i] when r * (sum of bytes) + (bytes before i) have been written.
        rows, sizes = layout(node)
        leads: dict[str, int] = {}
        for i, size in enumerate(sizes):
            lead = (rows - 1) * (sum(sizes) - size) + sum(sizes[:i])
            name = node.input(i).name
            leads[name] = max(leads.get(name, 0), lead)  # an input that occurs twice is needed until its last use
        return {(i, 0): leads[node.input(i).name] for i in range(len(sizes))}

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        channels = node.type == "concatenation" and concatenation_axis(node) == len(node.y.shape) - 1
        return Tiling("run", "rows") if channels else None  # a row is a pixel

    def work(self, node: Node, target: Target) -> dict[str, float]:
        rows, sizes = layout(node)
        return {"call": 1, "row": rows, "piece": rows * len(sizes)} | copied_work(sizes, rows)


@kernel
class Concatenation(_Concatenation):
    """Elements of any size, copied row by row."""

    name = "concatenation"
    ops = ("concatenation", "pack")

    def rejects(self, node: Node, target: Target) -> str | None:
        return "the inputs must be rescaled" if needs_rescaling(node) else None

    def call(self, node: Node, target: Target) -> Call:
        rows, sizes = layout(node)
        return Call(
            {"rows": rows, "inputs": len(sizes), "bytes": Array(np.array(sizes, np.uint32), "bytes")},
            (InputList(tuple(range(len(sizes)))), Out()),
        )


@kernel
class ConcatenationRescaledU8(_Concatenation):
    """uint8 inputs of other scales than the output: one table of 256 values per input."""

    name = "concatenation_rescaled_u8"

    def rejects(self, node: Node, target: Target) -> str | None:
        return None if needs_rescaling(node) else "nothing is rescaled"

    def work(self, node: Node, target: Target) -> dict[str, float]:
        rows, sizes = layout(node)
        return {"call": 1, "row": rows, "piece": rows * len(sizes), "byte": rows * sum(sizes)}

    def call(self, node: Node, target: Target) -> Call:
        rows, sizes = layout(node)
        same = np.arange(256, dtype=np.uint8)
        tables = [rescaling_table(node.input(i), node.y) for i in range(len(sizes))]
        return Call(
            {
                "rows": rows,
                "inputs": len(sizes),
                "bytes": Array(np.array(sizes, np.uint32), "bytes"),
                "tables": Array(np.stack([same if t is None else t for t in tables]), "tables"),
            },
            (InputList(tuple(range(len(sizes)))), Out()),
        )
