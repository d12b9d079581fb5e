"""LOGISTIC: y = 1 / (1 + exp(-x)).

Rounding rule:

* int8: LiteRT fills a table of 256 entries in float32 (``LUTPopulate``): the dequantized code, the function, division
  by the output scale, rounding to nearest with ties away from zero.
* int16: interpolation in a table (:mod:`mcu_gen.ops.sigmoid_s16`), rounded to nearest with ties upwards.
* float32: below -9 the result is exp(x), as in ``reference_ops::Logistic``.
"""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node, Verdict, register
from mcu_gen.ops.sigmoid_s16 import int16_output_scale_is_2_15, interpolated, scaled_input
from mcu_gen.ops.unary import QUANTIZATION_RULES, Unary, dequantized, has_scales, quantized


def int8_output_scale_is_1_256(node: Node) -> Verdict:
    """in int8 the output scale is 1/256"""
    if node.x.dtype is not DType.INT8 or not has_scales(node):
        return True, ""
    return node.y.s == 1 / 256, f"it is {node.y.s:g}"


@register
class Logistic(Unary):
    """x -> y of the same shape and type."""

    name = "logistic"
    halves = (0,)
    builtin = "LOGISTIC"
    dtypes = (DType.INT8, DType.INT16, DType.FLOAT32)
    constraints = (*QUANTIZATION_RULES, int8_output_scale_is_1_256, int16_output_scale_is_2_15)

    def codes(self, node: Node, x: np.ndarray) -> np.ndarray:
        if node.x.dtype is DType.INT16:
            position = scaled_input(node, x)
            y = np.where(np.abs(position) >> 9 >= 255, 0x7FFF << 10, interpolated(position, 9))
            return np.where(position >= 0, y + (1 << 9), (1 << 25) - y + (1 << 9) - 1) >> 10
        with np.errstate(over="ignore"):  # exp is infinite there, as in float32 C
            e = np.exp(-dequantized(node, x).astype(np.float64)).astype(np.float32)
        return quantized(node, np.float32(1) / (np.float32(1) + e))

    def reals(self, node: Node, x: np.ndarray) -> np.ndarray:
        below = np.exp(np.minimum(x, -9.0))
        result: np.ndarray = np.where(x < -9.0, below, 1 / (1 + np.exp(-np.maximum(x, -9.0))))
        return result
