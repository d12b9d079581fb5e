"""BROADCAST_TO: a tensor repeated along axes of length 1 and along new axes in front.

Rounding rule: none, elements are copied.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.ops.movement import (
    ANY_DTYPE,
    MAX_RANK,
    View,
    arguments_are_constant,
    constant_argument,
    row_major_strides,
)


def shape_is_of_integers(node: Node) -> Verdict:
    """the shape is int32 or int64"""
    found = node.input(1).dtype
    return found in (DType.INT32, DType.INT64), f"it is {found.value}"


def shape_is_short(node: Node) -> Verdict:
    """the shape has at most 8 axes"""
    return node.input(1).elements <= MAX_RANK, f"it has {node.input(1).elements}"


def broadcast_view(node: Node) -> View:
    """The input in the order of the output.

    Raises:
        ValueError: the input does not broadcast to the shape.
    """
    x = node.x.shape
    shape = tuple(int(v) for v in constant_argument(node, 1, "shape"))
    own = shape[len(shape) - len(x) :]
    if len(x) > len(shape) or any(a not in (1, n) for a, n in zip(x, own, strict=True)):
        raise ValueError(f"{list(x)} does not broadcast to {list(shape)}")
    strides = [0 if a == 1 else s for a, s in zip(x, row_major_strides(x), strict=True)]
    return View(0, shape, (0,) * (len(shape) - len(x)) + tuple(strides))


@register
class BroadcastTo(Operator):
    """x, shape [rank] -> y of that shape, every axis of length 1 repeated."""

    name = "broadcast_to"
    builtin = "BROADCAST_TO"
    dtypes = ANY_DTYPE
    parameter_inputs = (1,)
    constraints = (arguments_are_constant, shape_is_of_integers, shape_is_short)

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(broadcast_view(node).shape, node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        return [broadcast_view(node).read(x)]
