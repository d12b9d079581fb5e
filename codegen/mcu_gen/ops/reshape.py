"""RESHAPE: the same bytes under another shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.ops.movement import ANY_DTYPE, constant_argument


def has_shape_tensor(node: Node) -> bool:
    """LiteRT takes the shape from input 1 when that is a vector of int32, and from the options otherwise."""
    return node.has_input(1) and node.input(1).dtype is DType.INT32 and len(node.input(1).shape) == 1


def shape_is_constant(node: Node) -> Verdict:
    """the new shape is a constant"""
    computed = has_shape_tensor(node) and not node.input(1).is_constant
    return not computed, f"{node.input(1).name} is computed by the network" if computed else ""


def target_shape(wanted: Sequence[int], elements: int) -> tuple[int, ...]:
    """``wanted`` with its -1, if any, replaced so that the tensor holds ``elements`` elements.

    Raises:
        ValueError: no such shape exists.
    """
    shape = [int(d) for d in wanted]
    if any(d < -1 for d in shape) or shape.count(-1) > 1:
        raise ValueError(f"the new shape {shape} must hold sizes of 0 or more and at most one -1")
    if -1 in shape:
        known = int(np.prod([d for d in shape if d != -1], dtype=object))
        if known == 0 or elements % known:
            raise ValueError(f"{elements} elements cannot take the shape {shape}")
        shape[shape.index(-1)] = elements // known
    if int(np.prod(shape, dtype=object)) != elements:
        raise ValueError(f"{elements} elements cannot take the shape {shape}")
    return tuple(shape)


@register
class Reshape(Operator):
    """x of any shape, new shape from input 1 or from the options -> y with the elements of x in the same order."""

    name = "reshape"
    halves = (0,)
    builtin = "RESHAPE"
    dtypes = ANY_DTYPE
    parameter_inputs = (1,)
    constraints = (shape_is_constant,)

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        shape = options.get("new_shape")
        return {"new_shape": () if shape is None else tuple(int(d) for d in shape)}

    def infer(self, node: Node) -> list[TensorType]:
        if has_shape_tensor(node):
            wanted = tuple(int(d) for d in constant_argument(node, 1, "new shape"))
        else:
            wanted = node.attr("new_shape")
            if wanted == (0,):  # how old converters write a scalar
                wanted = ()
        return [TensorType(target_shape(wanted, node.x.elements), node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        return [x.reshape(node.y.shape)]
