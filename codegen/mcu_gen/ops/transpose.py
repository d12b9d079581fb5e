"""TRANSPOSE: axes in another order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, Operator, TensorType, register
from mcu_gen.graph.region import Span
from mcu_gen.ops.movement import (
    ANY_DTYPE,
    View,
    arguments_are_constant,
    axis_of,
    constant_argument,
    rank_is_supported,
    row_major_strides,
)


def transpose_view(node: Node) -> View:
    """The input in the order of the output.

    Raises:
        ValueError: the permutation does not name every axis once.
    """
    shape = node.x.shape
    axes = [axis_of(int(a), len(shape), "permuted axis") for a in constant_argument(node, 1, "permutation")]
    if sorted(axes) != list(range(len(shape))):
        raise ValueError(f"the permutation {axes} must name each axis of {list(shape)} once")
    strides = row_major_strides(shape)
    return View(0, tuple(shape[a] for a in axes), tuple(strides[a] for a in axes))


@register
class Transpose(Operator):
    """x, permutation [rank] (negative axes count from the back) -> y with axis k of y = axis permutation[k] of x."""

    name = "transpose"
    halves = (0,)
    builtin = "TRANSPOSE"
    dtypes = ANY_DTYPE
    parameter_inputs = (1,)
    constraints = (arguments_are_constant, rank_is_supported)

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(transpose_view(node).shape, node.x.dtype)]

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        permutation = constant_argument(node, 1, "permutation")
        return out if index == 0 and permutation[axis] % len(node.x.shape) == axis else None

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        return [transpose_view(node).read(x)]
