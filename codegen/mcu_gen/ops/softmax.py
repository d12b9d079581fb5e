"""SOFTMAX: y = exp(beta (x - max x)) / sum, over the last axis.

Rounding rule (``reference_ops::Softmax`` and ``SoftmaxInt16``):

* int8 -> int8 or int16: the difference to the row's maximum is scaled to Q5.26 with one rounded high multiplication
  (differences below ``diff_min`` count as 0), exp is gemmlowp's fixed-point one, the sum is Q12.19, the quotient
  comes from a Newton-Raphson reciprocal, and the last shift rounds to nearest, ties away from zero.
* int16 -> int16: exp and 1 / (1 + x) come from tables of 513 int16 entries with linear interpolation.

Where the sum of an int8 row reaches 512 LiteRT aborts (its last shift would pass 31 bits); here the result is 0,
which is what that shift gives.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.graph.region import Span
from mcu_gen.ops.fixed_point import (
    doubling_high_mul,
    quantize_multiplier,
    requant_double,
    rounding_shift_right,
    wrap32,
)
from mcu_gen.ops.fixed_point_functions import (
    exp_on_negative_values,
    leading_zeros,
    lookup_s16,
    lookup_table_s16,
    one_over_one_plus,
)

#: Integer bits of the scaled difference, Q5.26.
_DIFFERENCE_BITS = 5


def output_quantization_is_fixed(node: Node) -> Verdict:
    """the output covers [0, 1): scale 1/256 and zero point -128 in int8, scale 1/32768 and zero point 0 in int16"""
    y = node.y
    if y.dtype not in (DType.INT8, DType.INT16):
        return True, ""
    scale, zero_point = (1 / 256, -128) if y.dtype is DType.INT8 else (1 / 32768, 0)
    if y.quant is None or y.quant.scale.size != 1:
        return False, f"{y.name} has no per-tensor quantization"
    free = node.x.dtype is DType.INT8 and y.dtype is DType.INT16  # LiteRT does not look at it
    ok = free or (abs(y.s - scale) <= 0.001 * scale and y.zp == zero_point)
    return ok, f"{y.name} has scale {y.s:g} and zero point {y.zp}"


def output_type_fits(node: Node) -> Verdict:
    """the output type is the input's, or int16 for an int8 input"""
    x, y = node.x.dtype, node.y.dtype
    return y is x or (x is DType.INT8 and y is DType.INT16), f"input is {x.value}, output {y.value}"


def input_scale_is_positive(node: Node) -> Verdict:
    """beta times the scale of an integer input is above 2^-26, and an int16 input has zero point 0"""
    if node.x.dtype is DType.FLOAT32:
        return True, ""
    if node.x.quant is None or node.x.quant.scale.size != 1:
        return False, f"{node.x.name} has no per-tensor quantization"
    step = node.float_attr("beta") * node.x.s
    ok = step > 2.0**-26 and (node.x.dtype is DType.INT8 or node.x.zp == 0)
    return ok, f"beta times scale is {step:g}, zero point {node.x.zp}"


def depth_fits_accumulator(node: Node) -> Verdict:
    """the input has at least one axis, and the last one at most 4095 elements in int8 and 65535 in int16"""
    if not node.x.shape:
        return False, f"{node.x.name} is a scalar"
    limit = {DType.INT8: 4095, DType.INT16: 65535}.get(node.x.dtype)
    return limit is None or node.x.shape[-1] <= limit, f"the last axis has {node.x.shape[-1]}"


@dataclass(frozen=True)
class Scaling:
    """How a difference to the maximum is scaled: ``multiplier * 2**(shift - 31)``; ``diff_min`` is the int8 cut-off."""

    multiplier: int
    shift: int
    diff_min: int


@register
class Softmax(Operator):
    """x [..., depth] -> y of the same shape."""

    name = "softmax"
    builtin = "SOFTMAX"
    dtypes = (DType.INT8, DType.INT16, DType.FLOAT32)
    constraints = (output_type_fits, output_quantization_is_fixed, input_scale_is_positive, depth_fits_accumulator)

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"beta": float(options["beta"])}

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(node.x.shape, node.y.dtype)]

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        return out if axis < len(node.x.shape) - 1 else None

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        if node.x.dtype is DType.FLOAT32:
            beta = np.float32(node.float_attr("beta"))
            e = np.exp(((x - x.max(axis=-1, keepdims=True)) * beta).astype(np.float64))
            return [(e / e.sum(axis=-1, keepdims=True)).astype(np.float32)]
        difference = x.astype(np.int64) - x.max(axis=-1, keepdims=True)
        y = (_from_int16 if node.x.dtype is DType.INT16 else _from_int8)(node, difference)
        return [y.astype(node.y.dtype.numpy)]


def scaling(node: Node) -> Scaling:
    """The scaling of the operator's input (``SoftmaxPrepare``)."""
    beta = float(np.float32(node.float_attr("beta")))
    if node.x.dtype is DType.INT16:
        # the product is one of floats
        step = float(np.float32(node.x.s) * np.float32(beta))
        return Scaling(*quantize_multiplier(step / (10.0 / 65535.0)), 0)
    return fixed_point_scaling(beta * node.x.s)


def fixed_point_scaling(step: float) -> Scaling:
    """``PreprocessSoftmaxScaling`` and ``CalculateInputRadius`` of int8 differences that are worth ``step`` each."""
    real = min(step * (1 << (31 - _DIFFERENCE_BITS)), (1 << 31) - 1.0)
    multiplier, shift = quantize_multiplier(real) if real < 2.0**30 else _large_multiplier(real)
    radius = ((1 << _DIFFERENCE_BITS) - 1) * (1 << (31 - _DIFFERENCE_BITS)) / (1 << shift)
    return Scaling(multiplier, shift, -math.floor(radius))


def _large_multiplier(real: float) -> tuple[int, int]:
    """``QuantizeMultiplier`` for 2**30 <= real < 2**31, where the shift is 31: only the maximum itself then counts."""
    return math.floor(real + 0.5), 31


@functools.cache
def exp_table_s16() -> np.ndarray:
    """exp on [-10, 0] as int16 [513]."""
    span = 10.0 / 65535
    return lookup_table_s16(math.exp, span * (-32768 - 32767), span * 0)


@functools.cache
def reciprocal_table_s16() -> np.ndarray:
    """1 / (1 + x) on [0, 1] as int16 [513]."""
    span = 1.0 / 65535
    return lookup_table_s16(lambda v: 1.0 / (1.0 + v), span * 0, span * 65535)


def _from_int8(node: Node, difference: np.ndarray) -> np.ndarray:
    s = scaling(node)
    counts = difference >= s.diff_min
    scaled = doubling_high_mul(wrap32(np.where(counts, difference, 0) << s.shift), s.multiplier)
    e = np.where(counts, exp_on_negative_values(scaled), 0)
    total = rounding_shift_right(e, 12).sum(axis=-1, keepdims=True)
    headroom = leading_zeros(total)
    scale = one_over_one_plus((total << headroom) - (1 << 31))
    low, high = node.y.dtype.limits
    shift = 12 - headroom + 31 - 8 * node.y.dtype.size
    quotient = rounding_shift_right(doubling_high_mul(e, scale), np.minimum(shift, 31))
    quotient = np.where(shift > 31, 0, quotient) + low
    return np.clip(np.where(counts, quotient, low), low, high)


def _from_int16(node: Node, difference: np.ndarray) -> np.ndarray:
    s = scaling(node)
    position = wrap32(requant_double(difference, s.multiplier, s.shift) + 32767)
    e = lookup_s16(np.clip(position, -32768, 32767), exp_table_s16())
    total = e.sum(axis=-1, keepdims=True)
    headroom = leading_zeros(total)
    fraction = ((total << (headroom - 1)) + (1 << 13)) >> 14
    reciprocal = lookup_s16(np.clip(fraction - ((1 << 15) + (1 << 16)), -32768, 32767), reciprocal_table_s16())
    shift = 31 - headroom
    result: np.ndarray = np.clip((e * reciprocal + (np.int64(1) << (shift - 1))) >> shift, 0, 32767)
    return result
