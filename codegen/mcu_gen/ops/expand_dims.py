"""EXPAND_DIMS: with one more axis of length 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, Operator, TensorType, Verdict, register
from mcu_gen.ops.movement import ANY_DTYPE, arguments_are_constant, axis_of, constant_argument, same_quantization


def quantization_is_kept(node: Node) -> Verdict:
    """input and output have the same scale and zero point"""
    return same_quantization(node.x, node.y), f"those of {node.x.name} and {node.y.name} differ"


@register
class ExpandDims(Operator):
    """x of rank r, axis in [-r - 1, r] -> y of rank r + 1, with length 1 at ``axis``."""

    name = "expand_dims"
    halves = (0,)
    builtin = "EXPAND_DIMS"
    dtypes = ANY_DTYPE
    parameter_inputs = (1,)
    constraints = (arguments_are_constant, quantization_is_kept)

    def infer(self, node: Node) -> list[TensorType]:
        value = constant_argument(node, 1, "axis")
        if value.size != 1:
            raise ValueError(f"the axis must be one number, got {value.size}")
        shape = node.x.shape
        axis = axis_of(int(value[0]), len(shape) + 1, "new axis")
        return [TensorType((*shape[:axis], 1, *shape[axis:]), node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        return [x.reshape(node.y.shape)]
