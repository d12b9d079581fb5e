"""LOG_SOFTMAX: y = x - max - log(sum of exp(x - max)) along the last axis.

Rounding rule: int8 (``reference_integer_ops::LogSoftmax``): differences to the maximum are scaled to Q5.26 with two
roundings, exp and the logarithm of its sum (Q12.19) are gemmlowp's fixed-point functions; the difference is rounded to
the output's 1/16, ties away from zero. Differences beyond a cut-off give -128.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.graph.region import Span
from mcu_gen.ops.fixed_point import INT32_MIN, quantize_multiplier, requant_double, rounding_shift_right, wrap32
from mcu_gen.ops.fixed_point_functions import exp_on_negative_values, log_of_sum
from mcu_gen.ops.softmax import Scaling, fixed_point_scaling
from mcu_gen.ops.unary import has_scales, output_type_is_input_type, quantization_is_per_tensor


def output_quantization_is_fixed(node: Node) -> Verdict:
    """in int8 the output scale is 1/16 and its zero point 127"""
    if node.y.dtype is not DType.INT8 or not has_scales(node):
        return True, ""
    return (node.y.s, node.y.zp) == (1 / 16, 127), f"they are {node.y.s:g} and {node.y.zp}"


def input_scale_is_positive(node: Node) -> Verdict:
    """the scale of an integer input is above 2^-26"""
    return not has_scales(node) or node.x.s > 2.0**-26, f"it is {node.x.s if node.x.quant else 0:g}"


def depth_fits_accumulator(node: Node) -> Verdict:
    """the input has at least one axis, and in int8 the last one at most 4095 elements"""
    if not node.x.shape:
        return False, f"{node.x.name} is a scalar"
    return node.x.dtype is not DType.INT8 or node.x.shape[-1] <= 4095, f"the last axis has {node.x.shape[-1]}"


@dataclass(frozen=True)
class LogScaling:
    """Factor of differences, and its inverse (``PreprocessLogSoftmaxScalingExp``)."""

    forward: Scaling
    reverse: tuple[int, int]


def scaling(node: Node) -> LogScaling:
    """Factors of int8."""
    forward = fixed_point_scaling(node.x.s)
    return LogScaling(forward, quantize_multiplier((1 << (31 - forward.shift)) / forward.multiplier))


@register
class LogSoftmax(Operator):
    """x [..., depth] -> y of the same shape and type."""

    name = "log_softmax"
    builtin = "LOG_SOFTMAX"
    dtypes = (DType.INT8, DType.FLOAT32)
    constraints = (
        output_type_is_input_type,
        quantization_is_per_tensor,
        output_quantization_is_fixed,
        input_scale_is_positive,
        depth_fits_accumulator,
    )

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(node.x.shape, node.x.dtype)]

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        return out if axis < len(node.x.shape) - 1 else None

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        if node.x.dtype is DType.FLOAT32:
            shifted = x.astype(np.float64) - x.max(axis=-1, keepdims=True)
            return [(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))).astype(np.float32)]
        s = scaling(node)
        difference = x.astype(np.int64) - x.max(axis=-1, keepdims=True)
        scaled = requant_double(np.maximum(difference, s.forward.diff_min), s.forward.multiplier, s.forward.shift)
        e = np.where(difference >= s.forward.diff_min, exp_on_negative_values(scaled), 0)
        log_sum = log_of_sum(rounding_shift_right(e, 12).sum(axis=-1, keepdims=True))
        cut = np.maximum(s.forward.diff_min - 1, requant_double(log_sum + INT32_MIN, *s.reverse))
        counts = difference > cut
        y = rounding_shift_right(wrap32(np.where(counts, scaled, 0) - log_sum), 31 - 5 - 4) + 127
        return [np.where(counts, np.clip(y, -128, 127), -128).astype(np.int8)]
