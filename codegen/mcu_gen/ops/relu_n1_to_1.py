"""RELU_N1_TO_1: y = min(max(x, -1), 1).

Rounding rule: (x - input zero point) times input scale / output scale, rounded twice
(``MultiplyByQuantizedMultiplier``: a high multiplication, then a shift, ties away from zero), plus the output zero
point, clamped to the bounds in output codes.
"""

from __future__ import annotations

from mcu_gen.graph import DType, register
from mcu_gen.ops.rectifier import Rectifier


@register
class ReluN1To1(Rectifier):
    """x -> y of the same shape and type."""

    name = "relu_n1_to_1"
    halves = (0,)
    builtin = "RELU_N1_TO_1"
    activation = "relu_n1_to_1"
    dtypes = (DType.INT8, DType.FLOAT32)
