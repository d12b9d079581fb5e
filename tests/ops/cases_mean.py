"""MEAN: axes, shapes, scales, rounding."""

from __future__ import annotations

from functools import partial

import numpy as np

from support.tflite_builder import ModelBuilder
from support.three_way import Case


def mean(
    x: tuple[int, ...],
    axes: tuple[int, ...],
    *,
    dtype: str = "int8",
    keep_dims: bool = False,
    x_quant: tuple[float, int] = (0.05, 3),
    y_quant: tuple[float, int] | None = None,
    builtin: str = "MEAN",
) -> bytes:
    """One MEAN, or another operator that reduces axes."""
    y_quant = y_quant or x_quant
    found = {a % len(x) for a in axes}
    y = [1 if a in found else d for a, d in enumerate(x) if keep_dims or a not in found]
    b = ModelBuilder()
    for name, shape, (scale, zero_point) in (("x", x, x_quant), ("y", y, y_quant)):
        quant = {"int8": {"scale": scale, "zero_point": zero_point}, "int16": {"scale": scale}}.get(dtype, {})
        b.tensor(name, shape, dtype, **quant)
    b.tensor("axes", (len(axes),), "int32", data=np.array(axes, np.int32))
    b.op(builtin, ["x", "axes"], ["y"], options={"keep_dims": keep_dims})
    return b.inputs(["x"]).outputs(["y"]).build()


SHAPES = {
    "height and width": ((1, 5, 6, 7), (1, 2)),
    "width and height": ((1, 4, 6, 3), (2, 1)),
    "power of two": ((1, 8, 8, 5), (1, 2)),
    "height": ((1, 5, 6, 7), (1,)),
    "channels": ((2, 3, 4, 9), (3,)),
    "negative axis": ((2, 3, 4, 9), (-1,)),
    "negative axes": ((2, 3, 4, 9), (-2, -3)),
    "axis twice": ((2, 3, 4), (1, 1, -2)),
    "all": ((2, 3, 5), (0, 1, 2)),
    "batch": ((6, 5), (0,)),
    "height and channels": ((2, 3, 4, 5), (1, 3)),
    "batch and width": ((2, 3, 4, 5), (0, 2)),
    "rank 5": ((2, 3, 2, 5, 3), (0, 2, 4)),
    "size 1": ((1, 1, 1, 4), (1, 2)),
    "one number": ((1,), (0,)),
}
_QUICK = {"height and width", "height and channels"}
_QUANT = {
    "other scale": ((0.05, 3), (0.03, -7)),
    "ends": ((0.05, -128), (0.04, 127)),
    "saturates": ((0.05, -100), (0.001, 0)),
    "tiny": ((0.001, 5), (1.0, 5)),
    "factor 2": ((0.5, 0), (0.25, 0)),
    "factor 1/2": ((0.25, 0), (0.5, 0)),
    "factor rounds to 2^31": ((0.99999999, 0), (1.0, 0)),
    "factor 37": ((3.7, 10), (0.1, -90)),
}

CASES = [
    *(
        Case(
            f"{d} {n}{' kept' if keep else ''}",
            partial(mean, *o, dtype=d, keep_dims=keep),
            quick=n in _QUICK and not keep,
        )
        for d in ("int8", "int16", "float32")
        for n, o in SHAPES.items()
        for keep in (False, True)
    ),
    *(
        Case(f"{d} {n} {s}", partial(mean, shape, axes, dtype=d, x_quant=q[0], y_quant=q[1]))
        for d in ("int8", "int16")
        for n, q in _QUANT.items()
        for s, (shape, axes) in {
            "3x3": ((1, 3, 3, 40), (1, 2)),
            "4x4": ((1, 4, 4, 40), (1, 2)),
            "1": ((1, 1, 1, 90), (1, 2)),
        }.items()
    ),
]
