"""DEQUANTIZE: every code of 8 bits, int16, and halves with subnormals and infinities."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from support.elementwise import ALL_INT8, ALL_UINT8, unary
from support.three_way import Case


def _case(name: str, dtype: str, inputs: Any = None, quick: bool = False, **more: Any) -> Case:
    # one float32 multiplication with one rounding: equal bits, whatever the scale
    build = partial(unary, "DEQUANTIZE", dtype=dtype, y_dtype="float32", **more)
    return Case(name, build, inputs, tolerance=0.0, quick=quick)


_SCALES = (0.05, 1 / 3, 7e-9, 12345.678)
_ALL_INT16 = [[np.arange(-32768, 32768).astype(np.int16)]]
_HALVES = [[np.array([0.0, -0.0, 1.0, -2.5, 65504.0, 6e-8, -5.9e-5, 6.1e-5, np.inf, -np.inf], np.float16)]]

CASES = [
    *(
        _case(f"int8 {s:g} {z}", "int8", [[ALL_INT8]], s == 0.05 and z == 7, x_scale=s, x_zero_point=z)
        for s in _SCALES
        for z in (7, -128, 127)
    ),
    *(
        _case(f"uint8 {s:g} {z}", "uint8", [[ALL_UINT8]], s == 0.05 and z == 7, x_scale=s, x_zero_point=z)
        for s in _SCALES
        for z in (7, 0, 255)
    ),
    *(_case(f"int16 {s:g}", "int16", _ALL_INT16, shape=(65536,), x_scale=s) for s in _SCALES),
    _case("int16", "int16", None, True, shape=(3, 50), x_scale=3e-4),
    _case("float16", "float16", None, True, shape=(3, 50)),
    _case("float16 special", "float16", _HALVES, shape=(10,)),
    _case("rank 4", "int8", shape=(1, 3, 4, 5)),
    _case("one element", "int8", shape=(1,)),
]
