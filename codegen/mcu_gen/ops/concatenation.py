"""CONCATENATION: tensors side by side along one axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, Tensor, TensorType, Verdict, register
from mcu_gen.graph.region import Span
from mcu_gen.ops.movement import ANY_DTYPE, axis_of


def no_fused_activation(node: Node) -> Verdict:
    """there is no fused activation (LiteRT has none either)"""
    return node.str_attr("activation") == "none", f"it is {node.str_attr('activation')}"


def quantization_fits(node: Node) -> Verdict:
    """int8 inputs have the scale and zero point of the output, int16 tensors the zero point 0 (uint8 is rescaled)"""
    y = node.y
    for x in node.inputs:
        if x is None or (x.quant is None and y.quant is None):
            continue
        if (x.quant is None) != (y.quant is None):
            return x.dtype not in (DType.INT8, DType.UINT8), f"only one of {x.name} and {y.name} is quantized"
        if x.dtype is DType.INT8 and (x.s, x.zp) != (y.s, y.zp):
            return False, f"{x.name} has ({x.s:g}, {x.zp}), {y.name} ({y.s:g}, {y.zp})"
        if x.dtype is DType.INT16 and (x.zp != 0 or y.zp != 0):
            return False, f"{x.name} has zero point {x.zp}, {y.name} {y.zp}"
    return True, ""


def concatenation_axis(node: Node) -> int:
    """The axis, counted from the front."""
    return axis_of(node.int_attr("axis"), len(node.x.shape), "axis")


def rescaling_table(x: Tensor, y: Tensor) -> np.ndarray | None:
    """uint8 value of ``x`` -> value of ``y``, uint8 [256]; None where nothing changes.

    ``ConcatenationWithScaling``: float32 throughout, rounded half away from zero.
    """
    if x.dtype is not DType.UINT8 or x.quant is None or y.quant is None or (x.s, x.zp) == (y.s, y.zp):
        return None
    scale = np.float32(x.s) * (np.float32(1) / np.float32(y.s))
    bias = np.float32(-x.zp) * scale
    real = np.arange(256, dtype=np.float32) * scale + bias
    rounded = np.where(real >= 0, np.floor(real.astype(np.float64) + 0.5), np.ceil(real.astype(np.float64) - 0.5))
    table: np.ndarray = np.clip(rounded + y.zp, 0, 255).astype(np.uint8)
    return table


@register
class Concatenation(Operator):
    """Any number of tensors that agree in every axis but ``axis`` -> y with their elements one after the other."""

    name = "concatenation"
    builtin = "CONCATENATION"
    dtypes = ANY_DTYPE
    constraints = (no_fused_activation, quantization_fits)

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"axis": int(options["axis"]), "activation": options["fused_activation_function"]}

    def half_inputs(self, node: Node) -> tuple[int, ...]:
        return tuple(range(len(node.inputs)))

    def infer(self, node: Node) -> list[TensorType]:
        if any(t is None for t in node.inputs):
            raise ValueError("an input is missing")
        first = node.x
        axis = concatenation_axis(node)
        length = 0
        for i in range(len(node.inputs)):
            t = node.input(i)
            rest = (*t.shape[:axis], *t.shape[axis + 1 :])
            if len(t.shape) != len(first.shape) or rest != (*first.shape[:axis], *first.shape[axis + 1 :]):
                raise ValueError(f"{list(t.shape)} ({t.name}) cannot join {list(first.shape)} along axis {axis}")
            if t.dtype is not first.dtype:
                raise ValueError(f"{t.name} is {t.dtype.value}, {first.name} is {first.dtype.value}")
            length += t.shape[axis]
        return [TensorType((*first.shape[:axis], length, *first.shape[axis + 1 :]), first.dtype)]

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        if axis != concatenation_axis(node):
            return out
        before = sum(node.input(i).shape[axis] for i in range(index))
        return Span(out.lo - before, out.hi - before).clip(node.input(index).shape[axis])

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        parts = []
        for i, x in enumerate(inputs):
            assert x is not None
            table = rescaling_table(node.input(i), node.y)
            parts.append(x if table is None else table[x])
        return [np.concatenate(parts, axis=concatenation_axis(node))]
