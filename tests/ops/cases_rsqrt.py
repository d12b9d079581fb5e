"""RSQRT: every int8 code from the zero point on, int16 codes from 0 on (LiteRT ends at smaller ones), float32."""

from __future__ import annotations

from functools import partial

import numpy as np

from support.elementwise import ALL_INT8, unary
from support.three_way import Case

_case = partial(unary, "RSQRT")
_NATURAL = [[np.arange(32768).astype(np.int16)]]
_REALS = np.array([1e-38, 1e-10, 0.3, 1, 2, 3, 4, 1e6, 3e38], np.float32)

CASES = [
    *(
        Case(
            f"int8 {s} {z} {y} {v}",
            partial(_case, x_scale=s, x_zero_point=z, y_scale=y, y_zero_point=v),
            [[np.maximum(ALL_INT8, z).astype(np.int8)]],
            quick=s == 0.05,
        )
        for s, z, y, v in (
            (0.05, -100, 0.03, -90),
            (0.1, -128, 0.02, -128),
            (0.023, 100, 0.1, -128),
            (1e-3, 0, 0.2, -5),
            (1.5, -128, 0.005, -128),
            (300.0, -128, 1e-4, 100),
            (1.0, -128, 1.0, 0),
        )
    ),
    *(
        Case(
            f"int16 {s:g} {y:g}",
            partial(_case, shape=(32768,), dtype="int16", x_scale=s, y_scale=y),
            _NATURAL,
        )
        for s, y in ((3e-4, 3e-4), (1e-2, 1e-4), (1.0, 1e-5))
    ),
    Case(
        "int16 table",
        partial(_case, shape=(200,), dtype="int16", x_scale=3e-4, y_scale=3e-4),
        [[np.arange(0, 32600, 163).astype(np.int16)]],
        quick=True,
    ),
    Case("int8 negative", partial(_case, x_scale=0.05, x_zero_point=3, y_scale=0.03), [[ALL_INT8]], oracle=False),
    Case("float32", partial(_case, shape=(9,), dtype="float32"), [[_REALS]], quick=True),
]
