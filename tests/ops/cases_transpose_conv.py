"""TRANSPOSE_CONV: windows, strides, paddings, output sizes, scales, types."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from support.images import BIAS
from support.tflite_builder import ModelBuilder
from support.three_way import Case


def _build(
    x: tuple[int, int, int, int] = (1, 4, 5, 3),
    channels: int = 4,
    filter: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (2, 2),
    padding: str = "same",
    size: tuple[int, int] | None = None,
    dtype: str = "int8",
    bias: bool = True,
    bias_dtype: str | None = None,
    per_channel: bool = True,
    activation: str = "none",
    x_zero_point: int = 3,
    y_zero_point: int = -5,
    y_scale: float = 0.4,
) -> bytes:
    """One operator with random weights; ``size`` is the output's, by default the one that fits."""
    rng = np.random.default_rng(3)
    quantized = dtype != "float32"
    grow = (0, 0) if padding == "same" else (max(0, filter[0] - stride[0]), max(0, filter[1] - stride[1]))
    height, width = size or (x[1] * stride[0] + grow[0], x[2] * stride[1] + grow[1])
    y = (x[0], height, width, channels)
    b = ModelBuilder()
    b.tensor("shape", (4,), "int32", data=y)
    zero = 0 if dtype == "int16" else 1
    shape = (channels, *filter, x[3])
    scales = rng.uniform(0.001, 0.02, channels) if per_channel else np.array([0.01])
    axis = 0 if per_channel and channels > 1 else None
    if quantized:
        data = rng.integers(-127, 128, shape, dtype=np.int8)
        b.tensor("w", shape, "int8", scale=scales, axis=axis, data=data)
        b.tensor("x", x, dtype, scale=0.05, zero_point=x_zero_point * zero)
        b.tensor("y", y, dtype, scale=y_scale, zero_point=y_zero_point * zero)
    else:
        b.tensor("w", shape, dtype, data=rng.normal(size=shape))
        b.tensor("x", x, dtype)
        b.tensor("y", y, dtype)
    names = ["shape", "w", "x"]
    if bias:
        values: Any = rng.integers(-20000, 20000, channels) if quantized else rng.normal(size=channels)
        quant: dict[str, Any] = {"scale": scales * 0.05, "axis": axis} if quantized else {}
        b.tensor("b", (channels,), bias_dtype or BIAS[dtype], data=values, **quant)
        names.append("b")
    options: dict[str, Any] = {"padding": padding, "stride_h": stride[0], "stride_w": stride[1]}
    options["fused_activation_function"] = activation
    if bias_dtype == "int32":
        options["quantized_bias_type"] = "int32"
    b.op("TRANSPOSE_CONV", names, ["y"], options=options)
    return b.inputs(["x"]).outputs(["y"]).build()


_SHAPES: dict[str, dict[str, Any]] = {
    "3x3 stride 2 same": {},
    "3x3 stride 2 valid": {"padding": "valid"},
    "2x2 stride 2": {"filter": (2, 2)},
    "4x4 stride 2 same": {"filter": (4, 4)},
    "5x3 stride 3x1 same": {"filter": (5, 3), "stride": (3, 1)},
    "1x1 stride 2, gaps": {"filter": (1, 1)},
    "2x1 stride 4x3, gaps": {"filter": (2, 1), "stride": (4, 3), "padding": "valid", "size": (17, 13)},
    "stride 1": {"stride": (1, 1)},
    "stride 1 valid": {"stride": (1, 1), "padding": "valid"},
    "odd size": {"size": (7, 9)},
    "rows that no input reaches": {"padding": "valid", "size": (10, 12)},
    "batch 2": {"x": (2, 3, 2, 5), "channels": 3},
    "one pixel": {"x": (1, 1, 1, 9), "channels": 2, "padding": "valid"},
    "many channels": {"x": (1, 2, 2, 17), "channels": 9},
}
_QUICK = {"3x3 stride 2 same", "5x3 stride 3x1 same"}
_TYPES: dict[str, dict[str, Any]] = {
    "int8": {},
    "int16": {"dtype": "int16", "y_scale": 3.0},
    "int16 32-bit bias": {"dtype": "int16", "bias_dtype": "int32", "y_scale": 3.0},
    "float32": {"dtype": "float32"},
}
_INT8: dict[str, dict[str, Any]] = {
    "per tensor": {"per_channel": False},
    "no bias": {"bias": False},
    "zero points at the low end": {"x_zero_point": -128, "y_zero_point": -128},
    "zero points at the high end": {"x_zero_point": 127, "y_zero_point": 127},
    "relu": {"activation": "relu", "y_zero_point": -20},
    "relu6": {"activation": "relu6", "y_scale": 0.04},
    "saturates": {"y_scale": 0.001},
}

CASES = [
    *(
        Case(f"{t} {name}", partial(_build, **kind, **shape), quick=name in _QUICK)
        for t, kind in _TYPES.items()
        for name, shape in _SHAPES.items()
    ),
    *(Case(f"int8 {name}", partial(_build, **more)) for name, more in _INT8.items()),
    Case("float32 relu6", partial(_build, dtype="float32", activation="relu6")),
    Case("float32 no bias", partial(_build, dtype="float32", bias=False)),
    Case("int16 no bias", partial(_build, dtype="int16", bias=False, y_scale=3.0)),
]
