"""QUANTIZE: every pair of types, halfway cases, saturation, and the change between signed and unsigned."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import numpy as np

from support.elementwise import ALL_INT8, ALL_UINT8, unary
from support.three_way import Case


def _case(name: str, dtype: str, to: str, inputs: Any = None, quick: bool = False, **more: Any) -> Case:
    return Case(name, partial(unary, "QUANTIZE", dtype=dtype, y_dtype=to, **more), inputs, quick=quick)


_CODES = {"int8": [[ALL_INT8]], "uint8": [[ALL_UINT8]]}
_HALVES = [[((np.arange(256) - 128) * 0.25).astype(np.float32)]]
_EXTREMES = [[np.array([1e8, -1e8, 127.5, -128.5, 126.5, 0.49999997, -0.49999997, 8388609.0], np.float32)]]
_BEYOND = [[np.array([1e30, -1e30, np.inf, -np.inf, np.nan, 3e6], np.float32)]]

CASES = [
    *(
        _case(
            f"float32 to {to} zero point {z}",
            "float32",
            to,
            quick=z == 5,
            y_scale=0.03 if to != "int16" else 2e-4,
            y_zero_point=z,
        )
        for to, zero_points in (("int8", (5, -128, 127)), ("uint8", (5, 0, 255)), ("int16", (5,)))
        for z in zero_points
    ),
    *(
        _case(f"float32 to {to} halves", "float32", to, _HALVES, y_scale=0.5, y_zero_point=1)
        for to in ("int8", "uint8", "int16")
    ),
    *(
        _case(f"float32 to {to} extremes", "float32", to, _EXTREMES, shape=(8,), y_scale=1.0, y_zero_point=0)
        for to in ("int8", "uint8", "int16")
    ),
    *(
        _case(f"{a} to {b} {i}", a, b, _CODES[a], i == 1, x_scale=x, x_zero_point=zx, y_scale=y, y_zero_point=zy)
        for a, b in (
            ("int8", "int8"),
            ("int8", "uint8"),
            ("uint8", "int8"),
            ("uint8", "uint8"),
            ("int8", "int16"),
            ("uint8", "int16"),
        )
        for i, (x, zx, y, zy) in enumerate(
            (
                (0.05, 0, 0.05, 0),
                (0.05, 3, 0.04, 7),
                (0.1, 100, 0.05, 0),
                (0.05, 0, 0.2, 100),
                (7.0, 1, 0.01, 2),
                (1e-4, 9, 2.0, 9),
            )
        )
    ),
    _case(
        "int8 to uint8 by 128",
        "int8",
        "uint8",
        _CODES["int8"],
        x_scale=0.05,
        x_zero_point=-7,
        y_scale=0.05,
        y_zero_point=121,
    ),
    _case(
        "uint8 to int8 by 128",
        "uint8",
        "int8",
        _CODES["uint8"],
        x_scale=0.05,
        x_zero_point=121,
        y_scale=0.05,
        y_zero_point=-7,
    ),
    *(
        _case(f"{a} to {b} {i}", a, b, None, i == 0, shape=(5, 60), x_scale=x, y_scale=y, y_zero_point=3)
        for a, b, scales in (
            ("int16", "int8", ((3e-4, 0.07), (1e-3, 1e-3), (2e-4, 3.0))),
            ("int16", "int16", ((3e-4, 2e-4), (1e-3, 1e-3), (2e-4, 0.3))),
            ("int16", "int32", ((3e-4, 2e-4), (1e-3, 1e-6), (2e-4, 0.3))),
            ("int32", "int8", ((3e-8, 0.5), (1e-9, 1e-2), (1e-10, 3.0))),
            ("int32", "int16", ((3e-8, 2e-3), (1e-9, 1e-4), (1e-10, 3.0))),
        )
        for i, (x, y) in enumerate(scales)
    ),
    _case("rank 4", "float32", "int8", shape=(1, 3, 4, 5), y_scale=0.03),
    # beyond int32 and at NaN LiteRT's conversion is undefined
    *(
        dataclasses.replace(
            _case(f"float32 to {to} beyond int32", "float32", to, _BEYOND, shape=(6,), y_scale=1e-3, y_zero_point=9),
            oracle=False,
        )
        for to in ("int8", "uint8", "int16")
    ),
]
