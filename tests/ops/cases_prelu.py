"""PRELU: one slope per channel, per element or in all; scales, zero points, negative slopes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from support.elementwise import ALL_INT8
from support.tflite_builder import ModelBuilder
from support.three_way import Case


def _build(
    x: Sequence[int] = (1, 4, 5, 6),
    alpha: Sequence[int] = (1, 1, 6),
    dtype: str = "int8",
    scales: tuple[float, float, float] = (0.05, 0.01, 0.04),
    zero_points: tuple[int, int, int] = (3, -9, 5),
    computed: bool = False,
) -> bytes:
    """``scales`` and ``zero_points`` of x, alpha and y; ``computed``: alpha is an input."""
    rng = np.random.default_rng(2)
    b = ModelBuilder()
    quantized = dtype != "float32"

    def quant(i: int) -> dict[str, Any]:
        zero = 0 if dtype == "int16" and i != 1 else 1
        return {"scale": scales[i], "zero_point": zero_points[i] * zero} if quantized else {}

    data = rng.integers(-128, 128, alpha) if quantized else rng.normal(0, 0.3, alpha)
    b.tensor("x", x, dtype, **quant(0))
    b.tensor("alpha", alpha, "int8" if quantized else dtype, data=None if computed else data, **quant(1))
    b.tensor("y", x, dtype, **quant(2))
    b.op("PRELU", ["x", "alpha"], ["y"])
    return b.inputs(["x", "alpha"] if computed else ["x"]).outputs(["y"]).build()


_TYPES: dict[str, dict[str, Any]] = {
    "int8": {},
    "int16": {"dtype": "int16", "scales": (3e-4, 0.01, 2e-4)},
    "float32": {"dtype": "float32"},
}
_SHAPES: dict[str, dict[str, Any]] = {
    "per channel": {},
    "per element": {"alpha": (1, 4, 5, 6)},
    "per element, no batch": {"alpha": (4, 5, 6)},
    "one slope": {"alpha": (1,)},
    "per pixel": {"alpha": (4, 5, 1)},
    "per row": {"alpha": (4, 1, 1)},
    "computed": {"computed": True},
    "computed per element": {"alpha": (1, 4, 5, 6), "computed": True},
    "rank 2": {"x": (3, 7), "alpha": (7,)},
}

CASES = [
    *(
        Case(f"{t} {name}", partial(_build, **kind, **shape), quick=name in ("per channel", "computed per element"))
        for t, kind in _TYPES.items()
        for name, shape in _SHAPES.items()
    ),
    *(
        Case(
            f"int8 {s} {z}",
            partial(_build, x=(256, 3), alpha=(1, 3), scales=s, zero_points=z),
            [[np.repeat(ALL_INT8[:, None], 3, axis=1)]],
        )
        for s in ((0.05, 0.01, 0.04), (0.1, 0.1, 0.001), (0.1, 1e-4, 5.0), (0.3, 2.0, 0.3))
        for z in ((0, 0, 0), (-128, -128, -128), (127, 127, 127), (-128, 127, 20))
    ),
]
