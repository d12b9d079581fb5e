"""HARD_SWISH: every int8 code under scales that shift left, right and saturate, float32."""

from __future__ import annotations

from functools import partial

import numpy as np

from support.elementwise import ALL_INT8, unary
from support.three_way import Case

_case = partial(unary, "HARD_SWISH")
_CODES = [[ALL_INT8]]

CASES = [
    *(
        Case(
            f"int8 {x:g} {zx} to {y:g} {zy}",
            partial(_case, x_scale=x, x_zero_point=zx, y_scale=y, y_zero_point=zy),
            _CODES,
            quick=x == 0.05,
        )
        for x, zx, y, zy in (
            (0.05, 3, 0.04, -7),
            (0.0234375, 0, 0.0234375, 0),
            (0.1, -128, 0.1, -128),
            (0.1, 127, 0.05, 127),
            (0.7, 5, 0.011, 0),
            (12.0, -20, 0.5, 3),
            (1e-3, 0, 1e-3, 1),
            (2e-5, 0, 1e-3, 1),
            (3e-8, 10, 1e-4, 1),
            (0.04, 0, 40.0, 1),
        )
    ),
    Case("float32", partial(_case, shape=(5, 40), dtype="float32"), quick=True),
    Case(
        "float32 at the bends",
        partial(_case, shape=(7,), dtype="float32"),
        [[np.array([-3, 3, -3.0000002, 2.9999998, 0, -0.0, 100], np.float32)]],
    ),
]
