"""LEAKY_RELU: every int8 code under many scales and slopes (negative ones too), int16, float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from support.elementwise import ALL_INT8, unary
from support.three_way import Case


def _case(name: str, alpha: float, inputs: Any = None, quick: bool = False, **more: Any) -> Case:
    return Case(name, lambda: unary("LEAKY_RELU", options={"alpha": alpha}, **more), inputs, quick=quick)


_CODES = [[ALL_INT8]]
_SCALES = ((0.04, -3, 0.04, -3), (0.05, 3, 0.04, -7), (0.05, -128, 0.1, 127), (0.9, 127, 0.01, -128))
CASES = [
    *(
        _case(
            f"int8 {alpha} {i}",
            alpha,
            _CODES,
            alpha == 0.2 and i == 1,
            x_scale=x,
            x_zero_point=a,
            y_scale=y,
            y_zero_point=b,
        )
        for alpha in (0.2, 0.01, 1.0, 1.7, 0.0, -0.5)
        for i, (x, a, y, b) in enumerate(_SCALES)
    ),
    *(
        _case(f"int16 {alpha}", alpha, None, alpha == 0.3, shape=(4, 99), dtype="int16", x_scale=3e-4, y_scale=2e-4)
        for alpha in (0.3, 1.5, 0.0, -0.25)
    ),
    *(
        _case(f"float32 {alpha}", alpha, None, alpha == 0.1, shape=(3, 50), dtype="float32")
        for alpha in (0.1, 2.0, -0.3)
    ),
    _case("float32 zeros", 0.1, [[np.array([0.0, -0.0, 1e-40, -1e-40], np.float32)]], shape=(4,), dtype="float32"),
    _case("rank 4", 0.1, shape=(2, 3, 2, 2)),
]
