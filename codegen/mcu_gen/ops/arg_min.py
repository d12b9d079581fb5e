"""ARG_MIN: the index of the smallest element along one axis, the first one where several are equal.

Rounding rule: none; integer codes are compared as they are. The results of inputs with NaN are not specified.
"""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import register
from mcu_gen.ops.arg_extremum import ArgExtremum


@register
class ArgMin(ArgExtremum):
    """x, axis -> y without that axis."""

    name = "arg_min"
    builtin = "ARG_MIN"

    def search(self, x: np.ndarray, axis: int) -> np.ndarray:
        index: np.ndarray = np.argmin(x, axis=axis)
        return index
