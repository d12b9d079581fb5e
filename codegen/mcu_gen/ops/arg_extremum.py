"""What ARG_MAX and ARG_MIN have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict
from mcu_gen.ops.movement import arguments_are_constant, axis_of, constant_argument


def axis_is_one_number(node: Node) -> Verdict:
    """the axis is one int32 or int64"""
    t = node.input(1)
    ok = t.dtype in (DType.INT32, DType.INT64) and t.elements == 1
    return ok, f"{t.name} is {t.dtype.value}{list(t.shape)}"


def output_is_an_index(node: Node) -> Verdict:
    """the output type is int32 or int64"""
    kind = node.str_attr("output_type")
    return kind in ("int32", "int64"), f"it is {kind}"


def input_is_not_empty(node: Node) -> Verdict:
    """the input has at least one dimension and no empty ones"""
    return len(node.x.shape) > 0 and min(node.x.shape) > 0, f"{node.x.name} has shape {list(node.x.shape)}"


def searched_axis(node: Node) -> int:
    """The axis, counted from the front."""
    return axis_of(int(constant_argument(node, 1, "axis")[0]), len(node.x.shape), "axis")


class ArgExtremum(Operator):
    """x, axis -> y without that axis; integer codes are compared as they are."""

    dtypes = (DType.INT8, DType.INT32, DType.FLOAT32)
    parameter_inputs = (1,)
    constraints = (arguments_are_constant, axis_is_one_number, output_is_an_index, input_is_not_empty)

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"output_type": options["output_type"]}

    def infer(self, node: Node) -> list[TensorType]:
        axis = searched_axis(node)
        return [TensorType((*node.x.shape[:axis], *node.x.shape[axis + 1 :]), DType(node.str_attr("output_type")))]

    def search(self, x: np.ndarray, axis: int) -> np.ndarray:
        """Index of the first extremum along ``axis``."""
        raise NotImplementedError(f"{self.name}: semantics")

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        return [np.asarray(self.search(x, searched_axis(node)), node.y.dtype.numpy)]
