"""BATCH_MATMUL: transposed factors, broadcast batches, constants, scales, types."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from support.tflite_builder import ModelBuilder
from support.three_way import Case


def _build(
    a: tuple[int, ...] = (2, 3, 5),
    b: tuple[int, ...] = (2, 5, 4),
    dtype: str = "int8",
    adj_x: bool = False,
    adj_y: bool = False,
    constant: int | None = None,
    scales: tuple[float, float, float] | None = None,
    zero_points: tuple[int, int, int] = (3, -4, 5),
) -> bytes:
    """``a`` and ``b`` as in the model, transposed ones too."""
    rng = np.random.default_rng(4)
    scales = scales or ((0.05, 0.03, 0.4) if dtype == "int8" else (3e-4, 2e-4, 0.004))

    def quant(i: int) -> dict[str, Any]:
        if dtype == "float32":
            return {}
        return {"scale": scales[i], "zero_point": zero_points[i] if dtype == "int8" else 0}

    builder = ModelBuilder()
    for i, shape in enumerate((a, b)):
        data = rng.integers(-128, 128, shape) if i == constant else None
        builder.tensor(f"x{i}", shape, dtype, data=data, **quant(i))
    rows, columns = a[-1 if adj_x else -2], b[-2 if adj_y else -1]
    y = (*np.broadcast_shapes(a[:-2], b[:-2]), rows, columns)
    builder.tensor("y", y, dtype, **quant(2))
    builder.op("BATCH_MATMUL", ["x0", "x1"], ["y"], options={"adj_x": adj_x, "adj_y": adj_y})
    return builder.inputs([f"x{i}" for i in (0, 1) if i != constant]).outputs(["y"]).build()


_SHAPES: dict[str, dict[str, Any]] = {
    "batch": {},
    "matrices": {"a": (3, 5), "b": (5, 4)},
    "first transposed": {"a": (2, 5, 3), "adj_x": True},
    "second transposed": {"b": (2, 4, 5), "adj_y": True},
    "both transposed": {"a": (2, 5, 3), "b": (2, 4, 5), "adj_x": True, "adj_y": True},
    "first broadcasts": {"a": (3, 5)},
    "second broadcasts": {"b": (5, 4)},
    "both broadcast": {"a": (2, 1, 3, 5), "b": (1, 3, 5, 2)},
    "rank 5": {"a": (2, 1, 2, 3, 4), "b": (3, 1, 4, 2)},
    "row by column": {"a": (1, 1, 17), "b": (1, 17, 1)},
    "column by row": {"a": (1, 6, 1), "b": (1, 1, 7)},
    "second constant": {"constant": 1},
    "first constant": {"constant": 0},
}
_QUICK = {"batch", "both transposed"}

CASES = [
    *(
        Case(f"{t} {name}", partial(_build, dtype=t, **shape), quick=name in _QUICK)
        for t in ("int8", "int16", "float32")
        for name, shape in _SHAPES.items()
    ),
    *(
        Case(f"int8 {s} {z}", partial(_build, (1, 9, 20), (1, 20, 9), scales=s, zero_points=z))
        for s in ((0.1, 0.1, 0.5), (0.5, 0.25, 0.125), (0.01, 0.01, 5.0))
        for z in ((0, 0, 0), (-128, -128, -128), (127, 127, 127), (-128, 127, 20))
    ),
    *(
        Case(f"int16 {s}", partial(_build, (1, 9, 20), (1, 20, 9), "int16", scales=s))
        for s in ((1e-4, 1e-4, 1e-4), (0.5, 0.25, 0.125), (1e-3, 1e-3, 5.0))
    ),
]
