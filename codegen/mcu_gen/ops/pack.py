"""PACK: tensors of one shape side by side along a new axis.

Rounding rule: none, elements are copied; quantized inputs have the scale and zero point of the output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.ops.movement import axis_of, same_quantization

#: What LiteRT's kernels of PACK, UNPACK and SPLIT copy.
ELEMENTS = (DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.INT64, DType.FLOAT32)


def quantization_is_kept(node: Node) -> Verdict:
    """all inputs have the scale and zero point of the output"""
    other = next((t for t in node.inputs if t is not None and not same_quantization(t, node.y)), None)
    return other is None, "" if other is None else f"{other.name} has others than {node.y.name}"


def pack_axis(node: Node) -> int:
    """The new axis, counted from the front of the output."""
    return axis_of(node.int_attr("axis"), len(node.x.shape) + 1, "axis")


@register
class Pack(Operator):
    """Any number of tensors of one shape -> y with one axis more, as long as there are inputs."""

    name = "pack"
    builtin = "PACK"
    dtypes = ELEMENTS
    constraints = (quantization_is_kept,)

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"axis": int(options["axis"]), "values_count": int(options["values_count"])}

    def infer(self, node: Node) -> list[TensorType]:
        count = len(node.inputs)
        if any(t is None for t in node.inputs) or node.int_attr("values_count") != count:
            raise ValueError(f"{node.int_attr('values_count')} values are announced, {count} inputs given")
        for i in range(1, count):
            t = node.input(i)
            if (t.shape, t.dtype) != (node.x.shape, node.x.dtype):
                raise ValueError(f"{t.name} is {t.dtype.value}{list(t.shape)}, {node.x.name} is another")
        axis = pack_axis(node)
        return [TensorType((*node.x.shape[:axis], count, *node.x.shape[axis:]), node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        return [np.stack([x for x in inputs if x is not None], axis=pack_axis(node))]
