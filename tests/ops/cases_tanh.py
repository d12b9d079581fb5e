"""TANH: every int8 code under many input scales, every int16 code on both paths of its scaling, float32."""

from __future__ import annotations

from functools import partial

import numpy as np

from support.elementwise import ALL_INT8, unary
from support.three_way import Case

_case = partial(unary, "TANH", y_scale=1 / 128, y_zero_point=0)
_int16 = partial(unary, "TANH", dtype="int16", y_scale=1 / 32768)
_CODES = [[ALL_INT8]]
_ALL_INT16 = [[np.arange(-32768, 32768).astype(np.int16)]]
_EXTREMES = np.array([-104, -88, -40, -9.5, -9, -1e-3, -0.0, 0, 1e-30, 0.6249, 0.6251, 8.9, 9.1, 16.7, 90], np.float32)

CASES = [
    *(
        Case(f"int8 scale {s} zero point {z}", partial(_case, x_scale=s, x_zero_point=z), _CODES, quick=s == 0.05)
        for s, z in ((0.05, 3), (0.1, -128), (0.023, 127), (1e-4, 0), (1.5, 10), (30.0, -1))
    ),
    *(
        Case(f"int16 scale {s:g}", partial(_int16, shape=(65536,), x_scale=s), _ALL_INT16)
        for s in (2**-12, 2**-11, 2**-10, 2**-13, 1e-4, 3.3e-4, 0.0017, 0.3, 2.5, 1e-7)
    ),
    Case("int16 table", partial(_int16, shape=(5, 40), x_scale=4e-4), quick=True),
    Case("float32", partial(_case, shape=(5, 40), dtype="float32"), quick=True),
    Case("float32 extremes", partial(_case, shape=(15,), dtype="float32"), [[_EXTREMES]]),
    *(
        Case(
            f"float32 near {c}",
            partial(_case, shape=(64,), dtype="float32"),
            [[np.linspace(c - 0.5, c + 0.5, 64, dtype=np.float32)]],
        )
        for c in (-20, -9, -1, 0.6, 5)
    ),
    Case("rank 4", partial(_case, shape=(2, 3, 2, 2))),
]
CASES += [
    Case("int8 other output scale", partial(unary, "TANH", y_scale=0.011, y_zero_point=-9), _CODES),
    Case("int8 output saturates", partial(unary, "TANH", y_scale=0.004, y_zero_point=20), _CODES),
]
