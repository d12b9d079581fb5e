"""Models of one elementwise operator, for the case tables and the property tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from support.tflite_builder import ModelBuilder

#: All codes of an 8-bit type, in the order of the type.
ALL_INT8 = np.arange(-128, 128).astype(np.int8)
ALL_UINT8 = np.arange(256).astype(np.uint8)


def real_scale(dtype: str, scale: float | None) -> float | None:
    """None for types that carry no quantization."""
    return scale if dtype in ("int8", "uint8", "int16", "int32") else None


def unary(
    builtin: str,
    shape: Sequence[int] = (256,),
    dtype: str = "int8",
    x_scale: float | None = 0.05,
    x_zero_point: int = 3,
    y_scale: float | None = 0.04,
    y_zero_point: int = -7,
    y_dtype: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> bytes:
    """y = f(x); scales of float types are left out, zero points too for int16 and int32."""
    b = ModelBuilder()
    to = y_dtype or dtype
    b.tensor("x", shape, dtype, scale=real_scale(dtype, x_scale), zero_point=_zero_point(dtype, x_zero_point))
    b.tensor("y", shape, to, scale=real_scale(to, y_scale), zero_point=_zero_point(to, y_zero_point))
    b.op(builtin, ["x"], ["y"], options=options)
    return b.inputs(["x"]).outputs(["y"]).build()


def binary(
    builtin: str,
    shapes: Sequence[Sequence[int]] = ((3, 40), (3, 40)),
    dtype: str = "int8",
    scales: Sequence[float] = (0.05, 0.03, 0.06),
    zero_points: Sequence[int] = (3, -4, 5),
    activation: str | None = "none",
    constant: int | None = None,
    same: bool = False,
    seed: int = 1,
    **options: Any,
) -> bytes:
    """y = f(x0, x1).

    Args:
        scales, zero_points: of x0, x1 and y; int32 and float32 have none.
        activation: None for operators without one.
        constant: which input is a constant of the model.
        same: the operator reads x0 twice.
    """
    rng = np.random.default_rng(seed)
    b = ModelBuilder()
    quantized = dtype in ("int8", "int16")
    for i in (0, 1):
        data = None
        if constant == i:
            info = np.iinfo(dtype) if dtype != "float32" else None
            data = rng.normal(0, 2, shapes[i]) if info is None else rng.integers(info.min, info.max + 1, shapes[i])
        scale = scales[i] if quantized else None
        b.tensor(f"x{i}", shapes[i], dtype, scale=scale, zero_point=_zero_point(dtype, zero_points[i]), data=data)
    shape = np.broadcast_shapes(*map(tuple, shapes))
    b.tensor("y", shape, dtype, scale=scales[2] if quantized else None, zero_point=_zero_point(dtype, zero_points[2]))
    names = ["x0", "x0"] if same else ["x0", "x1"]
    if activation is not None:
        options["fused_activation_function"] = activation
    b.op(builtin, names, ["y"], options=options)
    return b.inputs([n for i, n in enumerate(names) if constant != i and n not in names[:i]]).outputs(["y"]).build()


def _zero_point(dtype: str, zero_point: int) -> int:
    return zero_point if dtype in ("int8", "uint8") else 0
