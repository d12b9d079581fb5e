"""SUM: the sum over some axes.

Rounding rule: the int32 sum of (x - zero point) is multiplied by input scale / output scale with two roundings
(``MultiplyByQuantizedMultiplier``: high multiplication, then shift, ties away from zero), plus output zero point,
clamped, as in ``reference_ops::QuantizedMeanOrSum``. LiteRT's ``BUILTIN_REF`` reads int8 and int16 inputs of SUM as
uint8, which gives meaningless results; here they are what the function says, as in tflite-micro. float32: numbers are
added in the order of memory. int32: modulo 2^32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, operator, register
from mcu_gen.graph.region import Span
from mcu_gen.ops import weights
from mcu_gen.ops.fixed_point import quantize_multiplier, requant_double, wrap32
from mcu_gen.ops.mean import axes_alternate_little, axes_are_constant, axes_exist, axes_of, count_of


def integers_are_quantized(node: Node) -> Verdict:
    """int8 and int16 tensors have one scale and one zero point each (0 for int16); int32 has none"""
    return (True, "") if node.x.dtype is DType.INT32 else weights.activations_are_quantized(node)


def sum_multiplier(node: Node) -> tuple[int, int]:
    """``(multiplier, shift)`` from a sum of (x - zero point) to an output."""
    return quantize_multiplier(node.x.s / node.y.s)


@register
class Sum(Operator):
    """x, axes [A] -> y: the summed axes are dropped, or have size 1 with keep_dims."""

    name = "sum"
    builtin = "SUM"
    dtypes = (DType.INT8, DType.INT16, DType.INT32, DType.FLOAT32)
    parameter_inputs = (1,)
    constraints = (
        axes_are_constant,
        axes_exist,
        axes_alternate_little,
        weights.output_has_input_type,
        integers_are_quantized,
    )

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"keep_dims": bool(options["keep_dims"])}

    def infer(self, node: Node) -> list[TensorType]:
        return operator("mean").infer(node)

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        return operator("mean").input_span(node, index, axis, out)

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        axes = axes_of(node)
        if node.x.dtype is DType.FLOAT32:
            return [x.astype(np.float64).sum(axis=axes).astype(np.float32).reshape(node.y.shape)]
        total = wrap32(x.astype(np.int64).sum(axis=axes))
        if node.x.dtype is not DType.INT32:
            total = requant_double(wrap32(total - node.x.zp * count_of(node)), *sum_multiplier(node))
            total = np.clip(wrap32(total + node.y.zp), *node.y.dtype.limits)
        return [total.astype(node.y.dtype.numpy).reshape(node.y.shape)]
