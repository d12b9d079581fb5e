"""GELU: both formulas; every int8 code under many scales, every int16 code, float32 on all ranges."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from support.elementwise import ALL_INT8, unary
from support.three_way import Case

_ALL_INT16 = [[np.arange(-32768, 32768).astype(np.int16)]]
_REALS = np.array([-15, -9.5, -5, -1, -1e-3, -1e-30, -0.0, 0, 1e-30, 0.5, 3, 5.5, 90, 1e10], np.float32)


def _case(
    name: str, approximate: bool, inputs: Any = None, quick: bool = False, tolerance: float = 1e-5, **more: Any
) -> Case:
    title = f"{name}{', approximate' if approximate else ''}"
    build = partial(unary, "GELU", options={"approximate": approximate}, **more)
    return Case(title, build, inputs, tolerance, quick=quick)


CASES = [
    case
    for a in (False, True)
    for case in (
        *(
            _case(
                f"int8 {s} {z} {y} {v}",
                a,
                [[ALL_INT8]],
                s == 0.05,
                x_scale=s,
                x_zero_point=z,
                y_scale=y,
                y_zero_point=v,
            )
            for s, z, y, v in (
                (0.05, 3, 0.03, -90),
                (0.1, -128, 0.1, -128),
                (0.023, 127, 0.003, 100),
                (1e-3, 0, 1e-3, 0),
                (1.5, 10, 1.0, 0),
            )
        ),
        *(
            _case(f"int16 {s:g} {y:g}", a, _ALL_INT16, shape=(65536,), dtype="int16", x_scale=s, y_scale=y)
            for s, y in ((3e-4, 3e-4), (1e-4, 5e-5), (0.01, 0.01))
        ),
        _case("int16 table", a, shape=(5, 40), dtype="int16", x_scale=3e-4, y_scale=3e-4, quick=True),
        _case("float32", a, shape=(5, 40), dtype="float32", quick=True),
        _case("float32 extremes", a, [[_REALS]], shape=(14,), dtype="float32"),
        *(
            _case(
                f"float32 near {c}",
                a,
                [[np.linspace(c - 0.5, c + 0.5, 64, dtype=np.float32)]],
                shape=(64,),
                dtype="float32",
                tolerance=1e-3 if a and c == -3.5 else 1e-5,  # the reference's 1 + tanh cancels there, ours does not
            )
            for c in (-3.5, -1, 0, 2)
        ),
    )
]
