"""RSQRT: y = 1 / sqrt(x).

Rounding rule:

* int8 (``RsqrtEvalQuantizedInt8``): 1 / sqrt(code - zero point) in fixed point (``GetInvSqrtQuantizedMultiplierExp``),
  times 2^20, rounded; that is multiplied by 1 / (sqrt(input scale) x output scale). Each product is rounded twice (high
  multiplication, then shift, ties away from zero). The code of 0 gives 127.
* int16: a table of 513 entries in float32, linear interpolation in between, rounded to nearest with ties upwards.

LiteRT ends the inference at negative inputs; here integers give what 0 gives, float32 gives NaN.
"""

from __future__ import annotations

import math

import numpy as np

from mcu_gen.graph import DType, Node, Verdict, register
from mcu_gen.ops.fixed_point import quantize_multiplier, requant_double, wrap32
from mcu_gen.ops.fixed_point_functions import inverse_sqrt_multiplier, lookup_s16, lookup_table_s16_f32
from mcu_gen.ops.unary import QUANTIZATION_RULES, Unary, has_scales

_SHIFT = 20


def scaling(node: Node) -> tuple[int, int]:
    """``(multiplier, shift)`` of 1 / (sqrt(input scale) x output scale)."""
    root = np.float32(math.sqrt(node.x.s)) * np.float32(node.y.s)
    return quantize_multiplier(1.0 / float(root))


def factor_is_in_range(node: Node) -> Verdict:
    """in int8 the factor 1 / (sqrt(input scale) x output scale) lies between 2^-12 and 2^30"""
    if node.x.dtype is not DType.INT8 or not has_scales(node):
        return True, ""
    factor = 1.0 / (math.sqrt(node.x.s) * node.y.s)
    return 2.0**-12 < factor < 2.0**30, f"it is {factor:g}"


@register
class Rsqrt(Unary):
    """x -> y of the same shape and type."""

    name = "rsqrt"
    builtin = "RSQRT"
    dtypes = (DType.INT8, DType.INT16, DType.FLOAT32)
    constraints = (*QUANTIZATION_RULES, factor_is_in_range)

    def table(self, node: Node) -> np.ndarray:
        """The int16 table."""
        largest = np.float32(32767) * np.float32(node.y.s)

        def function(x: np.ndarray) -> np.ndarray:
            root = np.sqrt(np.where(x > 0, x, np.float32(1)))
            return np.where(x > 0, np.float32(1) / root, largest).astype(np.float32)

        return lookup_table_s16_f32(function, node.x.s, node.y.s)

    def codes(self, node: Node, x: np.ndarray) -> np.ndarray:
        if node.x.dtype is DType.INT16:
            return lookup_s16(np.maximum(x, 0), self.table(node))
        value = np.maximum(x.astype(np.int64) - node.x.zp, 0)
        inverse, shift = inverse_sqrt_multiplier(value)
        root = requant_double(np.ones_like(value), inverse, shift + _SHIFT)
        multiplier, exponent = scaling(node)
        y = wrap32(requant_double(root, multiplier, exponent - _SHIFT) + node.y.zp)
        return np.where(value == 0, 127, np.clip(y, -128, 127))

    def reals(self, node: Node, x: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            result: np.ndarray = 1 / np.sqrt(x)
        return result
