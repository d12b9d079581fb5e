"""L2_NORMALIZATION: depths, zero points, tiny and large norms."""

from __future__ import annotations

from functools import partial

import numpy as np

from support.elementwise import unary
from support.three_way import Case

_case = partial(unary, "L2_NORMALIZATION", y_scale=1 / 128, y_zero_point=0)
_SHAPES = ((7, 10), (1, 64), (2, 3, 4, 5), (300, 1), (1, 4000), (9,), (1, 33000))
_PAIRS = np.stack(np.meshgrid(np.arange(-128, 128), np.arange(-128, 128, 9), indexing="ij"), -1).astype(np.int8)

CASES = [
    *(
        Case(f"int8 {list(s)} zero point {z}", partial(_case, shape=s, x_zero_point=z), quick=s == (7, 10))
        for s in _SHAPES
        for z in (3, -128, 127, 0)
    ),
    *(
        Case(f"int8 pairs, zero point {z}", partial(_case, shape=_PAIRS.shape, x_zero_point=z), [[_PAIRS]])
        for z in (0, 3, -128)
    ),
    Case("int8 zeros", partial(_case, shape=(2, 5), x_zero_point=3), [[np.full((2, 5), 3, np.int8)]]),
    *(Case(f"float32 {list(s)}", partial(_case, shape=s, dtype="float32"), quick=s == (7, 10)) for s in _SHAPES),
    Case("float32 zeros", partial(_case, shape=(2, 5), dtype="float32"), [[np.zeros((2, 5), np.float32)]]),
    Case("float32 tiny", partial(_case, shape=(1, 2), dtype="float32"), [[np.full((1, 2), 1e-9, np.float32)]]),
]
