"""UNPACK: the slices of a tensor along one axis, which is dropped.

Rounding rule: none, elements are copied; quantized outputs have the scale and zero point of the input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.ops.movement import axis_of, same_quantization
from mcu_gen.ops.pack import ELEMENTS


def quantization_is_kept(node: Node) -> Verdict:
    """all outputs have the scale and zero point of the input"""
    other = next((t for t in node.outputs if not same_quantization(t, node.x)), None)
    return other is None, "" if other is None else f"{other.name} has others than {node.x.name}"


def unpack_axis(node: Node) -> int:
    """The axis that is dropped, counted from the front of the input."""
    return axis_of(node.int_attr("axis"), len(node.x.shape), "axis")


@register
class Unpack(Operator):
    """x -> one output per index of an axis, each with one axis less."""

    name = "unpack"
    builtin = "UNPACK"
    dtypes = tuple(t for t in ELEMENTS if t is not DType.INT64)
    constraints = (quantization_is_kept,)

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"axis": int(options["axis"]), "num": int(options["num"])}

    def infer(self, node: Node) -> list[TensorType]:
        axis, num = unpack_axis(node), node.int_attr("num")
        if node.x.shape[axis] != num:
            raise ValueError(f"{num} outputs are announced, axis {axis} of {list(node.x.shape)} has another length")
        return [TensorType((*node.x.shape[:axis], *node.x.shape[axis + 1 :]), node.x.dtype)] * num

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        return list(np.moveaxis(x, unpack_axis(node), 0))
