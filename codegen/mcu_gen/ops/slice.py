"""SLICE: a box out of a tensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, Operator, TensorType, Verdict, register
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


def begin_and_size_have_one_type(node: Node) -> Verdict:
    """begin and size are both int32 or both int64"""
    types = [node.input(i).dtype.value for i in (1, 2) if node.has_input(i)]
    return len(set(types)) <= 1 and set(types) <= {"int32", "int64"}, f"they are {' and '.join(types)}"


def slice_box(node: Node) -> list[tuple[int, int]]:
    """First element and number of elements of the box along every axis.

    Raises:
        ValueError: begin or size do not have one number per axis, or the box leaves the tensor.
    """
    shape = node.x.shape
    begin = [int(v) for v in constant_argument(node, 1, "begin")]
    size = [int(v) for v in constant_argument(node, 2, "size")]
    if len(begin) != len(shape) or len(size) != len(shape):
        raise ValueError(f"begin {begin} and size {size} must have one number per axis of {list(shape)}")
    box = []
    for axis, (n, b, s) in enumerate(zip(shape, begin, size, strict=True)):
        if not 0 <= b <= n:
            raise ValueError(f"begin {b} lies outside axis {axis} of {list(shape)}")
        length = n - b if s == -1 else s
        if length < 0 or b + length > n:
            raise ValueError(f"size {s} from {b} leaves axis {axis} of {list(shape)}")
        box.append((b, length))
    return box


def slice_view(node: Node) -> View:
    """The box as a view of the input.

    Raises:
        ValueError: begin or size do not have one number per axis, or the box leaves the tensor.
    """
    box, strides = slice_box(node), row_major_strides(node.x.shape)
    return View(sum(b * s for (b, _), s in zip(box, strides, strict=True)), tuple(n for _, n in box), strides)


@register
class Slice(Operator):
    """x, begin [rank], size [rank] (-1: to the end) -> y = x[begin : begin + size]."""

    name = "slice"
    halves = (0,)
    builtin = "SLICE"
    dtypes = ANY_DTYPE
    parameter_inputs = (1, 2)
    constraints = (arguments_are_constant, begin_and_size_have_one_type, rank_is_supported, result_is_not_empty)

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(slice_view(node).shape, node.x.dtype)]

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        begin = int(constant_argument(node, 1, "begin")[axis])
        return Span(out.lo + begin, out.hi + begin) if index == 0 else None

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        return [slice_view(node).read(x)]
