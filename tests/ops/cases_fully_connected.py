"""FULLY_CONNECTED: shapes, zero points, scales, and rounding once in double precision."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from support.images import BIAS
from support.tflite_builder import ModelBuilder
from support.three_way import Case


def fully_connected(
    *,
    x: tuple[int, ...] = (1, 20),
    channels: int = 7,
    depth: int | None = None,
    dtype: str = "int8",
    bias: bool = True,
    bias_dtype: str | None = None,
    bias_values: Any = None,
    per_channel: bool = False,
    keep_dims: bool = False,
    activation: str = "none",
    weights: Any = None,
    w_scale: Any = None,
    w_zero_point: int = 0,
    x_scale: float = 0.05,
    x_zero_point: int = 3,
    y_scale: float | None = None,
    y_zero_point: int = -5,
    seed: int = 1,
) -> bytes:
    """One FULLY_CONNECTED with random weights; scales such that a few outputs saturate."""
    rng = np.random.default_rng(seed)
    quantized = dtype != "float32"
    depth = depth or x[-1]
    rows = int(np.prod(x)) // depth
    y = (*x[:-1], channels) if keep_dims else (rows, channels)
    b = ModelBuilder()
    scales: Any = None
    zero = 0 if dtype == "int16" else 1
    if quantized:
        scales = w_scale if w_scale is not None else rng.uniform(0.001, 0.02, channels) if per_channel else 0.01
        y_scale = y_scale or 0.05 * 0.01 * 64 * float(np.sqrt(depth)) / (1 if dtype == "int8" else 0.6)
        axis = 0 if np.size(scales) > 1 else None
        b.tensor("x", x, dtype, scale=x_scale, zero_point=x_zero_point * zero)
        data = rng.integers(-127, 128, (channels, depth), dtype=np.int8) if weights is None else weights
        b.tensor("w", (channels, depth), "int8", scale=scales, zero_point=w_zero_point, axis=axis, data=data)
    else:
        b.tensor("x", x, dtype)
        b.tensor("w", (channels, depth), dtype, data=rng.normal(size=(channels, depth)))
    names: list[str | None] = ["x", "w", None]
    if bias:
        values = rng.integers(-20000, 20000, channels) if quantized else rng.normal(size=channels)
        values = values if bias_values is None else bias_values
        bias_scale = np.asarray(scales) * x_scale if quantized else None
        bias_axis = 0 if quantized and np.size(bias_scale) > 1 else None
        b.tensor("b", (channels,), bias_dtype or BIAS[dtype], scale=bias_scale, axis=bias_axis, data=values)
        names[2] = "b"
    b.tensor("y", y, dtype, **({"scale": y_scale, "zero_point": y_zero_point * zero} if quantized else {}))
    options: dict[str, Any] = {"fused_activation_function": activation, "keep_num_dims": keep_dims}
    if bias_dtype == "int32" and dtype == "int16":
        options["quantized_bias_type"] = "int32"
    b.op("FULLY_CONNECTED", names, ["y"], options=options)
    return b.inputs(["x"]).outputs(["y"]).build()


_SHAPES: dict[str, dict[str, Any]] = {
    "vector": {},
    "batch 3": {"x": (3, 11), "channels": 4},
    "image flattened": {"x": (1, 3, 4, 5), "depth": 60, "channels": 4},
    "rows of an image": {"x": (2, 3, 4), "channels": 5},
    "kept dimensions": {"x": (2, 3, 4), "channels": 5, "keep_dims": True},
    "one number": {"x": (1, 1), "channels": 1},
    "no bias": {"bias": False},
    "deep": {"x": (1, 700), "channels": 3},
    "relu": {"activation": "relu"},
    "relu6": {"activation": "relu6"},
    "relu_n1_to_1": {"activation": "relu_n1_to_1"},
}
_QUICK = {"vector", "kept dimensions", "image flattened"}
_INT8: dict[str, dict[str, Any]] = {
    "per channel": {"per_channel": True},
    "zero points at the low end": {"x_zero_point": -128, "y_zero_point": -128},
    "zero points at the high end": {"x_zero_point": 127, "y_zero_point": 127},
    "saturates": {"y_scale": 0.001},
    "tiny outputs": {"y_scale": 50.0},
    "large bias": {"channels": 4, "bias_values": np.array([2**31 - 1, -(2**31), 2**30, -(2**30)])},
    "factor is no product in float": {"x_scale": 0.0078431377, "w_scale": 0.0031372550, "y_scale": 0.0117647061},
}


def _rounding(name: str, factor: float, values: np.ndarray, y_scale: float = 1.0, **more: Any) -> Case:
    """Sums that are exactly ``values`` (the bias) times a factor: weights are 1, the input is its zero point."""
    n = len(values)
    options = {
        "x": (1, 1), "channels": n, "weights": np.ones((n, 1), np.int8), "bias_values": values, "x_scale": 1.0,
        "x_zero_point": 0, "w_scale": factor, "y_scale": y_scale, "y_zero_point": 0,
    }  # fmt: skip
    inputs = [[np.zeros((1, 1), str(more.get("dtype", "int8")))]]
    return Case(name, partial(fully_connected, **(options | more)), inputs=inputs)


_HALVES = np.arange(-1600, 1601)
_FAR = np.unique(np.concatenate([np.linspace(-(2**31), 2**31 - 1, 301).astype(np.int64), 2 ** np.arange(20, 31)]))
_WIDE = np.unique(np.linspace(-80000, 80000, 701).astype(np.int64))
#: (weight scale, output scale): their quotient in double precision lies on, just below or far from the halves.
_FACTORS = {"1/2": (0.5, 1.0), "1/4": (0.25, 1.0), "1/8": (0.125, 1.0), "1/6": (1.0, 6.0), "1/12": (1.0, 12.0),
            "5/14": (5.0, 14.0), "3/10": (3.0, 10.0), "7/22": (7.0, 22.0), "0.3": (0.3, 1.0), "1": (1.0, 1.0),
            "1.5": (1.5, 1.0), "rounds to 2^31": (0.99999999, 1.0), "3.7": (3.7, 1.0)}  # fmt: skip

CASES = [
    *(
        Case(f"{d} {n}", partial(fully_connected, dtype=d, **o), quick=n in _QUICK)
        for d in ("int8", "int16", "float32")
        for n, o in _SHAPES.items()
    ),
    *(Case(f"int8 {n}", partial(fully_connected, **o)) for n, o in _INT8.items()),
    Case("int16 per channel", partial(fully_connected, dtype="int16", per_channel=True)),
    Case("int16 32-bit bias", partial(fully_connected, dtype="int16", bias_dtype="int32"), quick=True),
    *(_rounding(f"int8 factor {n}", f, _HALVES, s) for n, (f, s) in _FACTORS.items()),
    *(_rounding(f"int8 far sums, factor {f:g}", f, _FAR) for f in (2.0**-26, 1e-7, 1e-8, 0.25, 0.99)),
    *(_rounding(f"int16 factor {n}", f, _WIDE, s, dtype="int16") for n, (f, s) in _FACTORS.items()),
    *(
        _rounding(f"int16 32-bit bias factor {n}", f, _WIDE, s, dtype="int16", bias_dtype="int32")
        for n, (f, s) in _FACTORS.items()
    ),
]
