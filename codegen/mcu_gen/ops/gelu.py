"""GELU: y = x P(X <= x) for a standard normal X, or an approximation with tanh.

Rounding rule (tables in float32, ``reference_ops::GeluTransform``):

* int8: a table of 256 entries (``LUTPopulate``): the dequantized code, the function, division by the output scale,
  rounding to nearest with ties away from zero.
* int16: a table of 513 entries, linear interpolation in between, rounded to nearest with ties upwards (``LUTLookup``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, register
from mcu_gen.ops.fixed_point_functions import lookup_s16, lookup_table_s16_f32
from mcu_gen.ops.unary import QUANTIZATION_RULES, Unary, dequantized, quantized

_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _exact(x: np.ndarray) -> np.ndarray:
    """float32 -> float32, every operation rounded to float32."""
    erfc = _erfc((x * np.float32(-math.sqrt(0.5))).astype(np.float64)).astype(np.float32)
    result: np.ndarray = np.float32(0.5) * x * erfc
    return result


def _approximate(x: np.ndarray) -> np.ndarray:
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x * x * x)
    tanh = np.tanh(inner.astype(np.float64)).astype(np.float32)
    result: np.ndarray = np.float32(0.5) * x * (np.float32(1) + tanh)
    return result


@register
class Gelu(Unary):
    """x -> y of the same shape and type."""

    name = "gelu"
    halves = (0,)
    builtin = "GELU"
    dtypes = (DType.INT8, DType.INT16, DType.FLOAT32)
    constraints = QUANTIZATION_RULES

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"approximate": bool(options["approximate"])}

    def table(self, node: Node) -> np.ndarray:
        """The int16 table."""
        return lookup_table_s16_f32(_approximate if node.bool_attr("approximate") else _exact, node.x.s, node.y.s)

    def codes(self, node: Node, x: np.ndarray) -> np.ndarray:
        if node.x.dtype is DType.INT16:
            return lookup_s16(x, self.table(node))
        function = _approximate if node.bool_attr("approximate") else _exact
        with np.errstate(over="ignore"):
            return quantized(node, function(dequantized(node, x)))

    def reals(self, node: Node, x: np.ndarray) -> np.ndarray:
        if node.bool_attr("approximate"):
            approximation: np.ndarray = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
            return approximation
        result: np.ndarray = 0.5 * x * _erfc(-x * math.sqrt(0.5))
        return result
