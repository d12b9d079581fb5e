"""NEG: y = -x."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node, register
from mcu_gen.ops.unary import QUANTIZATION_RULES, Unary


@register
class Neg(Unary):
    """x -> -x of the same shape and type."""

    name = "neg"
    builtin = "NEG"
    dtypes = (DType.FLOAT32,)
    constraints = QUANTIZATION_RULES

    def reals(self, node: Node, x: np.ndarray) -> np.ndarray:
        return -x
