"""SOFTMAX: depths, ranks, beta, scales from flat to one-hot, int8 to int8 and int16, int16, float32."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from support.elementwise import unary
from support.three_way import Case


def _case(
    name: str,
    shape: Sequence[int],
    dtype: str = "int8",
    x_scale: float = 0.1,
    beta: float = 1.0,
    to: str | None = None,
    quick: bool = False,
    inputs: Any = None,
    zero_point: int = 3,
) -> Case:
    out = to or dtype
    scale, y_zero_point = (1 / 256, -128) if out == "int8" else (1 / 32768, 0)

    def build() -> bytes:
        return unary(
            "SOFTMAX",
            shape,
            dtype,
            x_scale,
            zero_point,
            scale,
            y_zero_point,
            to,
            options={"beta": float(np.float32(beta))},
        )

    return Case(name, build, inputs, quick=quick)


def _same(value: int, depth: int, dtype: type) -> list[list[np.ndarray]]:
    return [[np.full((2, depth), value, dtype)]]


CASES = [
    *(
        _case(f"int8 scale {s:g} beta {b:g}", (3, 12), x_scale=s, beta=b, quick=s == 0.1 and b == 1)
        for s in (1e-6, 1e-3, 0.02, 0.1, 0.7, 8.0, 40.0)
        for b in (1.0, 0.3, 5.0)
    ),
    *(_case(f"int8 depth {d}", (2, d), x_scale=0.15) for d in (1, 2, 3, 7, 100, 257)),
    *(_case(f"int8 shape {'x'.join(map(str, s))}", s) for s in ((10,), (1, 4, 5, 6), (2, 3, 2, 2, 7))),
    *(_case(f"int8 all {v}", (2, 300), inputs=_same(v, 300, np.int8)) for v in (-128, 0, 127)),
    *(_case(f"int8 to int16 scale {s:g}", (3, 12), x_scale=s, to="int16", quick=s == 0.1) for s in (0.01, 0.1, 2.0)),
    _case("int8 to int16 deep", (2, 900), x_scale=0.02, to="int16", inputs=_same(9, 900, np.int8)),
    *(
        _case(f"int16 scale {s:g} beta {b:g}", (3, 12), "int16", s, b, quick=s == 3e-4 and b == 1)
        for s in (1e-6, 3e-4, 2e-3, 0.1, 5.0)
        for b in (1.0, 2.5)
    ),
    _case("int16 deep", (2, 2000), "int16", 2e-4),
    *(_case(f"int16 all {v}", (2, 50), "int16", 1e-3, inputs=_same(v, 50, np.int16)) for v in (-32768, 32767)),
    *(_case(f"float32 beta {b:g}", (4, 11), "float32", beta=b, quick=b == 1) for b in (1.0, 0.25, 4.0)),
    _case("float32 far apart", (1, 3), "float32", inputs=[[np.array([[-200.0, 0.0, 88.0]], np.float32)]]),
    _case("float32 large", (1, 3), "float32", inputs=[[np.array([[1e30, 1e30, -1e30]], np.float32)]]),
    _case("float32 rank 4", (1, 3, 2, 5), "float32"),
    # LiteRT aborts where the sum of a row reaches 512
    dataclasses.replace(_case("int8 too flat for LiteRT", (2, 700), inputs=_same(9, 700, np.int8)), oracle=False),
]
