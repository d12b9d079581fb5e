"""SPLIT: a tensor cut into equal parts along one axis.

Rounding rule: none, elements are copied; quantized outputs have the scale and zero point of the input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.ops.movement import arguments_are_constant, axis_of, constant_argument
from mcu_gen.ops.pack import ELEMENTS
from mcu_gen.ops.unpack import quantization_is_kept


def axis_is_one_number(node: Node) -> Verdict:
    """the axis is one int32"""
    t = node.input(1)
    return t.dtype is DType.INT32 and t.elements == 1, f"{t.name} is {t.dtype.value}{list(t.shape)}"


def split_axis(node: Node) -> int:
    """The axis, counted from the front."""
    return axis_of(int(constant_argument(node, 1, "axis")[0]), len(node.x.shape), "axis")


@register
class Split(Operator):
    """x, axis -> the parts, all of one shape."""

    name = "split"
    builtin = "SPLIT"
    dtypes = ELEMENTS
    parameter_inputs = (1,)
    file_inputs = (1, 0)
    constraints = (arguments_are_constant, axis_is_one_number, quantization_is_kept)

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"num_splits": int(options["num_splits"])}

    def infer(self, node: Node) -> list[TensorType]:
        axis, parts, shape = split_axis(node), node.int_attr("num_splits"), node.x.shape
        if parts < 1 or shape[axis] % parts:
            raise ValueError(f"axis {axis} of {list(shape)} cannot be cut into {parts} equal parts")
        return [TensorType((*shape[:axis], shape[axis] // parts, *shape[axis + 1 :]), node.x.dtype)] * parts

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        return list(np.split(x, node.int_attr("num_splits"), axis=split_axis(node)))
