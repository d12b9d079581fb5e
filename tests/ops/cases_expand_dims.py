"""EXPAND_DIMS: the new axis anywhere, counted from both ends."""

from __future__ import annotations

from functools import partial

import numpy as np

from support.movement import DTYPES, movement
from support.three_way import Case


def _case(axis: int) -> Case:
    y = np.expand_dims(np.empty((2, 3)), axis).shape
    return Case(f"axis {axis}", partial(movement, "EXPAND_DIMS", (2, 3), y, axis))


CASES = [
    *(Case(t, partial(movement, "EXPAND_DIMS", (2, 3), (2, 1, 3), 1, dtype=t), quick=t == "int8") for t in DTYPES),
    *(_case(axis) for axis in range(-3, 3)),
    Case("axis as a vector", partial(movement, "EXPAND_DIMS", (2, 3), (2, 3, 1), [2])),
    Case("int64 axis", partial(movement, "EXPAND_DIMS", (2, 3), (1, 2, 3), 0, index_type="int64")),
    Case("scalar", partial(movement, "EXPAND_DIMS", (), (1,), 0), oracle=False),  # its Python API sets no scalars
]
