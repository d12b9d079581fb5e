"""ARG_MAX: the index of the largest element along one axis, the first one where several are equal.

Rounding rule: none; integer codes are compared as they are. The results of inputs with NaN are not specified.
"""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import register
from mcu_gen.ops.arg_extremum import ArgExtremum


@register
class ArgMax(ArgExtremum):
    """x, axis -> y without that axis."""

    name = "arg_max"
    builtin = "ARG_MAX"

    def search(self, x: np.ndarray, axis: int) -> np.ndarray:
        index: np.ndarray = np.argmax(x, axis=axis)
        return index
