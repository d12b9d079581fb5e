"""TANH: y = tanh(x).

Rounding rule:

* int8: LiteRT fills a table of 256 entries in float32 (``LUTPopulate``): the dequantized code, the function, division
  by the output scale, rounding to nearest with ties away from zero.
* int16: interpolation in a table (:mod:`mcu_gen.ops.sigmoid_s16`), rounded to nearest with ties upwards.
"""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node, register
from mcu_gen.ops.sigmoid_s16 import int16_output_scale_is_2_15, interpolated, scaled_input
from mcu_gen.ops.unary import QUANTIZATION_RULES, Unary, dequantized, quantized


@register
class Tanh(Unary):
    """x -> y of the same shape and type."""

    name = "tanh"
    halves = (0,)
    builtin = "TANH"
    dtypes = (DType.INT8, DType.INT16, DType.FLOAT32)
    constraints = (*QUANTIZATION_RULES, int16_output_scale_is_2_15)

    def codes(self, node: Node, x: np.ndarray) -> np.ndarray:
        if node.x.dtype is DType.INT16:
            position = scaled_input(node, x)
            y = np.where(np.abs(position) >> 8 >= 255, 0xFFFF << 8, interpolated(position, 8))
            half = 1 << 23
            return np.where(position >= 0, y - half + (1 << 7), half - y + (1 << 7) - 1) >> 8
        return quantized(node, np.tanh(dequantized(node, x).astype(np.float64)).astype(np.float32))

    def reals(self, node: Node, x: np.ndarray) -> np.ndarray:
        result: np.ndarray = np.tanh(x)
        return result
