"""SQUARE: y = x x."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node, register
from mcu_gen.ops.unary import QUANTIZATION_RULES, Unary


@register
class Square(Unary):
    """x -> x x of the same shape and type."""

    name = "square"
    builtin = "SQUARE"
    dtypes = (DType.FLOAT32,)
    constraints = QUANTIZATION_RULES

    def reals(self, node: Node, x: np.ndarray) -> np.ndarray:
        squares: np.ndarray = np.square(x)
        return squares
