"""RELU_N1_TO_1: every int8 code under many scales and zero points, int16, float32."""

from __future__ import annotations

from functools import partial

import numpy as np

from support.elementwise import ALL_INT8, unary
from support.three_way import Case

_case = partial(unary, "RELU_N1_TO_1")
_CODES = [[ALL_INT8]]

CASES = [
    *(
        Case(
            f"int8 {name}",
            partial(_case, x_scale=x, x_zero_point=zx, y_scale=y, y_zero_point=zy),
            _CODES,
            quick=name == "other",
        )
        for name, x, zx, y, zy in (
            ("same", 0.04, -3, 0.04, -3),
            ("other", 0.05, 3, 0.04, -7),
            ("halves", 0.05, 0, 0.1, 0),
            ("thirds of halves", 0.05, 1, 0.3, -1),
            ("zero points at the ends", 0.05, -128, 0.06, 127),
            ("bounds outside the range", 0.05, 127, 0.002, -128),
            ("bounds inside the range", 0.5, 0, 0.5, 10),
            ("left shift", 4.0, 2, 0.01, 5),
            ("multiplier rounds to 2^31", float(np.nextafter(np.float32(1), np.float32(0))), 0, 1.0, 0),
            ("output far coarser", 1e-5, 0, 3.0, 4),
        )
    ),
    Case("float32", partial(_case, shape=(3, 50), dtype="float32"), quick=True),
    Case(
        "float32 at the bounds",
        partial(_case, shape=(8,), dtype="float32"),
        [[np.array([-1.0, 1.0, 0.0, -0.0, 6.0, 6.0000005, -1.0000001, 1e30], np.float32)]],
    ),
    Case("rank 5", partial(_case, shape=(2, 1, 3, 2, 2))),
    Case("one element", partial(_case, shape=(1,))),
]
