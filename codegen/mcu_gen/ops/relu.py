"""RELU: y = max(x, 0).

Rounding rule: (x - input zero point) times input scale / output scale, rounded twice
(``MultiplyByQuantizedMultiplier``: a high multiplication, then a shift, ties away from zero), plus the output zero
point, clamped to the bounds in output codes.
"""

from __future__ import annotations

from mcu_gen.graph import DType, register
from mcu_gen.ops.rectifier import Rectifier


@register
class Relu(Rectifier):
    """x -> y of the same shape and type."""

    name = "relu"
    halves = (0,)
    builtin = "RELU"
    activation = "relu"
    dtypes = (DType.INT8, DType.INT16, DType.FLOAT32)
