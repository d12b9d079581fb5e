"""ELU: y = x for x >= 0, exp(x) - 1 otherwise.

Rounding rule: int8: LiteRT fills a table of 256 entries in float32 (``LUTPopulate``): the dequantized code, the
function, division by the output scale, rounding to nearest with ties away from zero.
"""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node, register
from mcu_gen.ops.unary import QUANTIZATION_RULES, Unary, dequantized, quantized


@register
class Elu(Unary):
    """x -> y of the same shape and type."""

    name = "elu"
    halves = (0,)
    builtin = "ELU"
    dtypes = (DType.INT8, DType.FLOAT32)
    constraints = QUANTIZATION_RULES

    def codes(self, node: Node, x: np.ndarray) -> np.ndarray:
        return quantized(node, self.reals(node, dequantized(node, x).astype(np.float64)).astype(np.float32))

    def reals(self, node: Node, x: np.ndarray) -> np.ndarray:
        return np.where(x < 0, np.expm1(np.minimum(x, 0)), x)
