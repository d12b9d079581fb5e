"""Kernel of the operators that put a map together from rectangles of others, for any rectangle of it.

PAD, PADV2, SLICE, STRIDED_SLICE, and CONCATENATION along height or width.  Whole maps are moved faster by the kernels
of those operators; this one is there for the tiles of fused segments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.graph.region import Span
from mcu_gen.kernels.common import copied_work
from mcu_gen.kernels.contract import Array, Call, InputList, Kernel, Out, Tiling, Value, kernel
from mcu_gen.kernels.pad import shortest_period
from mcu_gen.ops.concatenation import concatenation_axis, rescaling_table
from mcu_gen.ops.pad import pad_value, pad_widths
from mcu_gen.ops.slice import slice_box
from mcu_gen.ops.strided_slice import StridedSlice, source_ranges
from mcu_gen.targets import Target


@dataclass(frozen=True)
class Piece:
    """A rectangle of the output and where it comes from; ``(height, width, channels)`` each, channels in elements.

    Attributes:
        input: index of the input.
        place, size: of the rectangle in the output.
        source: element of the input that its first one comes from.
        steps: rows and columns of the input from one pixel to the next.
    """

    input: int
    place: tuple[int, int, int]
    size: tuple[int, int, int]
    source: tuple[int, int, int] = (0, 0, 0)
    steps: tuple[int, int] = (1, 1)


def pieces(node: Node) -> list[Piece] | None:
    """What the output [1, H, W, C] is made of; None where it is not made of rectangles in the order of the input."""
    if any(len(t.shape) != 4 or t.shape[0] != 1 for t in (node.x, node.y)):
        return None
    _, height, width, channels = node.x.shape
    if node.type in ("pad", "padv2"):
        top, left, first = (before for before, _ in pad_widths(node)[1:])
        return [Piece(0, (top, left, first), (height, width, channels))]
    if node.type == "concatenation":
        return _joined(node)
    if node.type == "slice":
        ranges = [(begin, size, 1) for begin, size in slice_box(node)]
    else:
        ranges = source_ranges(node)
        if StridedSlice().input_span(node, 0, 1, Span(0, 1)) is None:
            return None  # axes come or go
    (_, _, batch), (top, rows, down), (left, columns, right), (first, depth, along) = ranges
    if min(batch, down, right) < 0 or along != 1:
        return None
    return [Piece(0, (0, 0, 0), (rows, columns, depth), (top, left, first), (down, right))]


def _joined(node: Node) -> list[Piece] | None:
    axis = concatenation_axis(node)
    if axis == 0:
        return None
    found, at = [], [0, 0, 0]
    for i in range(len(node.inputs)):
        t = node.input(i)
        if rescaling_table(t, node.y) is not None:
            return None
        found.append(Piece(i, (at[0], at[1], at[2]), (t.shape[1], t.shape[2], t.shape[3])))
        at[axis - 1] += t.shape[axis]
    return found


@kernel
class MapCopy(Kernel):
    """Elements of any size."""

    name = "map_copy"
    tiles_only = True
    ops = ("pad", "padv2", "slice", "strided_slice", "concatenation")

    def rejects(self, node: Node, target: Target) -> str | None:
        if node.y.elements == 0 or node.x.elements == 0:
            return "a dimension is 0"
        return "it does not put maps together" if pieces(node) is None else None

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return Tiling("place", several=True)

    def work(self, node: Node, target: Target) -> dict[str, float]:
        unit = node.y.dtype.size
        work: dict[str, float] = {"call": 1}
        for p in pieces(node) or ():
            rows, columns, depth = p.size
            run = depth * unit
            together = run == node.y.shape[3] * unit and p.steps[1] * node.input(p.input).shape[3] * unit == run
            runs, size = (rows, columns * run) if together else (rows * columns, run)
            copied = copied_work([size], runs)
            work = {key: work.get(key, 0) + copied.get(key, 0) for key in (*work, *copied)}
            work["piece"] = work.get("piece", 0) + 1
            work["row"] = work.get("row", 0) + rows
            work["run"] = work.get("run", 0) + runs
        if node.type in ("pad", "padv2"):
            work |= {"filled row": node.y.shape[1], "filled byte": node.y.bytes}
        return work

    def call(self, node: Node, target: Target) -> Call:
        found = pieces(node)
        assert found is not None
        unit = node.x.dtype.size
        _, height, width, channels = node.y.shape
        inputs = list(range(len(node.inputs) if node.type == "concatenation" else 1))
        zeros = Array(np.zeros(len(inputs), np.int32), "places")
        table = [
            (p.input, *p.place[:2], *p.size[:2], *p.source[:2], *p.steps, node.input(p.input).shape[3] * unit,
             p.source[2] * unit, p.place[2] * unit)
            for p in found
        ]  # fmt: skip
        border = node.type in ("pad", "padv2")
        value = shortest_period(pad_value(node)) if border else None
        fields: dict[str, Value] = {
            "out_h": height,
            "out_w": width,
            "out_top": 0,
            "out_left": 0,
            "out_pitch": width,
            "in_top": zeros,
            "in_left": zeros,
            "in_pitch": Array(np.array([node.input(i).shape[2] for i in inputs], np.int32), "pitches"),
            "pixel": channels * unit,
            "count": len(found),
            "pieces": Array(np.array(table, np.int32), "pieces"),
            "runs": Array(np.array([p.size[2] * unit for p in found], np.int32), "runs"),
            "value": None if value is None else Array(value, "value"),
            "value_bytes": 1 if value is None else value.size,
        }
        return Call(fields, (InputList(tuple(inputs)), Out()))
