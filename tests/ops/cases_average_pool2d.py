"""AVERAGE_POOL_2D: windows, strides, padding, activations, halves."""

from __future__ import annotations

from functools import partial

import numpy as np

from support.images import pool
from support.three_way import Case

_pool = partial(pool, "AVERAGE_POOL_2D")

_SHAPES = {
    "2x2": {"x": (1, 6, 4, 5)},
    "global": {"x": (1, 5, 7, 6), "filter": (5, 7), "stride": (5, 7)},
    "3x3 same stride 1": {"x": (1, 5, 6, 3), "filter": (3, 3), "stride": (1, 1), "padding": "same"},
    "3x3 same stride 2": {"x": (1, 6, 7, 3), "filter": (3, 3), "padding": "same"},
    "3x2 stride 2x3": {"x": (1, 9, 8, 2), "filter": (3, 2), "stride": (2, 3)},
    "larger than input same": {"x": (1, 2, 3, 2), "filter": (4, 5), "stride": (1, 1), "padding": "same"},
    "1x1 stride 2": {"x": (1, 5, 5, 3), "filter": (1, 1)},
    "batch 2": {"x": (2, 4, 4, 3)},
    "one number": {"x": (1, 1, 1, 1), "filter": (1, 1), "stride": (1, 1)},
}
_QUICK = {"3x3 same stride 2", "global"}

#: Every sum of four numbers near a half, of both signs.
_HALVES = np.repeat(np.arange(-64, 64, dtype=np.int8), 4).reshape(1, 2, 2, 128)
_HALVES[0, 0, 0] += np.resize([0, 1, 2, 3], 128).astype(np.int8)

CASES = [
    *(
        Case(f"{d} {n}", partial(_pool, dtype=d, **o), quick=n in _QUICK)
        for d in ("int8", "int16", "float32")
        for n, o in _SHAPES.items()
    ),
    *(
        Case(f"{d} {a}", partial(_pool, x=(1, 4, 4, 6), dtype=d, activation=a))
        for d in ("int8", "int16", "float32")
        for a in ("relu", "relu6", "relu_n1_to_1")
    ),
    Case("int8 zero point at the low end", partial(_pool, x=(1, 4, 4, 6), zero_point=-128, activation="relu")),
    Case("int8 zero point at the high end", partial(_pool, x=(1, 4, 4, 6), zero_point=127, activation="relu6")),
    Case("int8 halves", partial(_pool, x=(1, 2, 2, 128)), inputs=[[_HALVES]]),
    Case("int16 halves", partial(_pool, x=(1, 2, 2, 128), dtype="int16"), inputs=[[_HALVES.astype(np.int16)]]),
]
