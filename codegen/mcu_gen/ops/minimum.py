"""MINIMUM: y = the smaller of x0 and x1, with broadcasting.

Rounding rule: none; integer codes are compared as they are. float32: x0 where x0 < x1, else x1
(so x1 where either is NaN).
"""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import register
from mcu_gen.ops.extremum import Extremum


@register
class Minimum(Extremum):
    """x0, x1 -> y of the broadcast shape, same type."""

    name = "minimum"
    builtin = "MINIMUM"

    def choose(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.where(a < b, a, b)
