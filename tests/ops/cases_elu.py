"""ELU: every int8 code under many input scales, float32 near 0 and far away.

``BUILTIN_REF`` holds no ELU; ``test_elu.py`` compares with LiteRT's default kernels.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from support.elementwise import ALL_INT8, unary
from support.three_way import Case

_case = partial(unary, "ELU")
_REALS = np.array([-200, -90, -20, -9.5, -1, -1e-3, -1e-7, -1e-30, -0.0, 0, 1e-30, 0.5, 3, 90], np.float32)

CASES = [
    *(
        Case(
            f"int8 scales {s} {y} zero points {z} {v}",
            partial(_case, x_scale=s, x_zero_point=z, y_scale=y, y_zero_point=v),
            [[ALL_INT8]],
            quick=s == 0.05,
            oracle=False,
        )
        for s, z, y, v in (
            (0.05, 3, 0.03, -90),
            (0.1, -128, 0.1, -128),
            (0.023, 127, 0.01, 100),
            (1e-4, 0, 1e-4, 0),
            (1.5, 10, 1.0, 0),
            (30.0, -1, 20.0, -1),
        )
    ),
    Case("float32", partial(_case, shape=(5, 40), dtype="float32"), quick=True, oracle=False),
    Case("float32 extremes", partial(_case, shape=(14,), dtype="float32"), [[_REALS]], oracle=False),
    *(
        Case(
            f"float32 near {c}",
            partial(_case, shape=(64,), dtype="float32"),
            [[np.linspace(c - 0.01, c + 0.01, 64, dtype=np.float32)]],
            oracle=False,
        )
        for c in (-15, -1.25, 0)
    ),
]
