"""STRIDED_SLICE: NumPy's basic indexing, ``x[begin:end:stride, ..., newaxis, index]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.graph.region import Span
from mcu_gen.ops.movement import (
    ANY_DTYPE,
    View,
    arguments_are_constant,
    constant_argument,
    rank_is_supported,
    result_is_not_empty,
    row_major_strides,
)

_MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


def arguments_are_int32(node: Node) -> Verdict:
    """begin, end and strides are int32"""
    types = [node.input(i).dtype for i in (1, 2, 3) if node.has_input(i)]
    return all(t is DType.INT32 for t in types), f"they are {', '.join(t.value for t in types)}"


def end_is_not_an_offset(node: Node) -> Verdict:
    """the end is a position (``offset`` is false)"""
    return not node.bool_attr("offset"), "it counts from the begin"


def _specification(node: Node) -> list[tuple[str, int]]:
    """The items of the subscript, the ellipsis expanded: ``(kind, index into begin, end and strides)``."""
    count = constant_argument(node, 1, "begin").size
    ellipsis, new_axis = node.int_attr("ellipsis_mask"), node.int_attr("new_axis_mask")
    items: list[tuple[str, int]] = []
    rank = len(node.x.shape)
    used = sum(1 for i in range(count) if not (ellipsis | new_axis) >> i & 1)
    if bin(ellipsis).count("1") > 1:
        raise ValueError("there is more than one ellipsis")
    if (ellipsis | new_axis) >> count:
        raise ValueError(f"the ellipsis or new-axis mask names a subscript beyond the {count} that there are")
    if used > rank:
        raise ValueError(f"{used} subscripts for a tensor of rank {rank}")
    if ellipsis and used == rank:
        raise ValueError("the ellipsis stands for no axis (TensorFlow and LiteRT disagree about that)")
    for i in range(count):
        if ellipsis >> i & 1:
            items += [("all", i)] * (rank - used)
        elif new_axis >> i & 1:
            items.append(("new", i))
        else:
            items.append(("range", i))
    consumed = sum(1 for kind, _ in items if kind != "new")
    return items + [("all", -1)] * (rank - consumed)


def _range(node: Node, i: int, n: int) -> tuple[int, int, int]:
    """``(start, length, stride)`` of subscript ``i`` on an axis of length ``n`` (``StartForAxis``, ``StopForAxis``)."""
    begin, end, stride = (int(constant_argument(node, k, w)[i]) for k, w in ((1, "begin"), (2, "end"), (3, "strides")))
    low, high = (0, n) if stride > 0 else (-1, n - 1)
    if node.int_attr("begin_mask") >> i & 1:
        begin = 0 if stride > 0 else n - 1
    else:
        begin = min(max(begin + n if begin < 0 else begin, low), high)
    if node.int_attr("shrink_axis_mask") >> i & 1:
        if stride < 0 or not 0 <= begin < n:
            raise ValueError(f"subscript {i} picks one element from {begin} on an axis of length {n}, stride {stride}")
        return begin, 1, 1
    if node.int_attr("end_mask") >> i & 1:
        end = n if stride > 0 else -1
    else:
        end = min(max(end + n if end < 0 else end, low), high)
    return begin, max(0, -((begin - end) // stride)), stride


def source_ranges(node: Node) -> list[tuple[int, int, int]]:
    """``(start, length, stride)`` of what is taken along every axis of the input."""
    items = [(kind, i) for kind, i in _specification(node) if kind != "new"]
    return [
        (0, n, 1) if kind == "all" else _range(node, i, n) for (kind, i), n in zip(items, node.x.shape, strict=True)
    ]


def strided_slice_view(node: Node) -> View:
    """The slice as a view of the input.

    Raises:
        ValueError: begin, end and strides differ in length, a stride is 0, or there are more subscripts than axes.
    """
    sizes = {constant_argument(node, i, what).size for i, what in ((1, "begin"), (2, "end"), (3, "strides"))}
    if len(sizes) != 1:
        raise ValueError("begin, end and strides must have the same length")
    if not constant_argument(node, 3, "strides").all():
        raise ValueError("a stride is 0")
    source = row_major_strides(node.x.shape)
    offset, shape, strides, axis = 0, [], [], 0
    for kind, i in _specification(node):
        if kind == "new":
            shape.append(1)
            strides.append(0)
            continue
        n = node.x.shape[axis]
        start, length, stride = (0, n, 1) if kind == "all" else _range(node, i, n)
        offset += start * source[axis]
        if kind == "all" or not node.int_attr("shrink_axis_mask") >> i & 1:
            shape.append(length)
            strides.append(stride * source[axis])
        axis += 1
    return View(offset, tuple(shape), tuple(strides))


@register
class StridedSlice(Operator):
    """x, begin, end, strides (one number per subscript) and bit masks over the subscripts -> the slice.

    A bit of ``begin_mask`` or ``end_mask`` leaves that bound open, ``shrink_axis_mask`` takes one element and drops the
    axis, ``new_axis_mask`` inserts an axis of length 1, ``ellipsis_mask`` stands for as many whole axes as needed.
    """

    name = "strided_slice"
    halves = (0,)
    builtin = "STRIDED_SLICE"
    dtypes = ANY_DTYPE
    parameter_inputs = (1, 2, 3)
    constraints = (
        arguments_are_constant,
        arguments_are_int32,
        end_is_not_an_offset,
        rank_is_supported,
        result_is_not_empty,
    )

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {**{m: int(options[m]) for m in _MASKS}, "offset": bool(options.get("offset", False))}

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(strided_slice_view(node).shape, node.x.dtype)]

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        items = _specification(node)
        kept = all(
            kind == "all" or (kind == "range" and not node.int_attr("shrink_axis_mask") >> i & 1) for kind, i in items
        )
        if index != 0 or not kept:
            return None  # axes of input and output differ
        kind, i = items[axis]
        if kind == "all":
            return out
        start, _, stride = _range(node, i, node.x.shape[axis])
        ends = (start + stride * out.lo, start + stride * (out.hi - 1))
        return Span(min(ends), max(ends) + 1)

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        return [strided_slice_view(node).read(x)]
