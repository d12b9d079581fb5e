"""LOG_SOFTMAX: scales from all terms counting to one, depths, float32 extremes."""

from __future__ import annotations

from functools import partial

import numpy as np

from support.elementwise import ALL_INT8, unary
from support.three_way import Case

_case = partial(unary, "LOG_SOFTMAX", y_scale=1 / 16, y_zero_point=127)
_SHAPES = ((4, 10), (2, 3, 4, 5), (5, 1), (1, 2), (1, 4000), (9,))
_SCALES = (0.05, 0.1, 0.3, 1.0, 5.0, 1e-3, 1e-6, 30.0)
_EXTREMES = np.array([[100, -100, 0], [88, 89, -3e38], [-1e-30, 0, 1e-30], [-1000, -1000, -1000]], np.float32)

CASES = [
    *(Case(f"int8 scale {s:g}", partial(_case, shape=(30, 12), x_scale=s), quick=s == 0.1) for s in _SCALES),
    *(
        Case(f"int8 all codes scale {s:g}", partial(_case, shape=(1, 256), x_scale=s), [[ALL_INT8[None]]])
        for s in _SCALES
    ),
    *(Case(f"int8 {list(s)}", partial(_case, shape=s, x_scale=0.2)) for s in _SHAPES),
    *(Case(f"int8 zero point {z}", partial(_case, shape=(3, 9), x_zero_point=z)) for z in (-128, 127)),
    Case("int8 all equal", partial(_case, shape=(1, 9)), [[np.full((1, 9), v, np.int8)] for v in (-128, 0, 127)]),
    *(Case(f"float32 {list(s)}", partial(_case, shape=s, dtype="float32"), quick=s == (4, 10)) for s in _SHAPES),
    Case("float32 extremes", partial(_case, shape=(4, 3), dtype="float32"), [[_EXTREMES]]),
]
