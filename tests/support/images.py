"""One-operator models with sliding windows, for the tables of cases."""

from __future__ import annotations

from typing import Any

import numpy as np

from support.tflite_builder import ModelBuilder

BIAS = {"int8": "int32", "int16": "int64", "float32": "float32"}


def _out(size: int, taps: int, stride: int, dilation: int, padding: str) -> int:
    extent = (taps - 1) * dilation + 1
    return -(-size // stride) if padding == "same" else (size - extent) // stride + 1


def convolution(
    *,
    x: tuple[int, int, int, int],
    channels: int,
    filter: tuple[int, int] = (3, 3),
    dtype: str = "int8",
    depthwise: bool = False,
    filter_c: int | None = None,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: str = "same",
    activation: str = "none",
    bias: bool = True,
    bias_values: Any = None,
    bias_dtype: str | None = None,
    per_channel: bool = True,
    weights: Any = None,
    x_scale: float = 0.05,
    x_zero_point: int = 3,
    y_scale: float | None = None,
    y_zero_point: int = -5,
    w_scale: Any = None,
    seed: int = 1,
) -> bytes:
    """CONV_2D or DEPTHWISE_CONV_2D with random weights; scales such that a few outputs saturate."""
    rng = np.random.default_rng(seed)
    quantized = dtype != "float32"
    depth = x[3] if filter_c is None else filter_c
    shape = (1, *filter, channels) if depthwise else (channels, *filter, depth)
    b = ModelBuilder()
    macs = filter[0] * filter[1] * (1 if depthwise else depth)
    if quantized:
        zero = 0 if dtype == "int16" else 1
        scales = rng.uniform(0.001, 0.02, channels) if per_channel else 0.01
        scales = scales if w_scale is None else w_scale
        largest = 100 if dtype == "int8" else 20000
        y_scale = y_scale or 0.05 * 0.01 * 64 * largest * np.sqrt(macs) / largest / (1 if dtype == "int8" else 0.6)
        axis = (3 if depthwise else 0) if np.size(scales) > 1 else None
        b.tensor("x", x, dtype, scale=x_scale, zero_point=x_zero_point * zero)
        data = rng.integers(-127, 128, shape, dtype=np.int8) if weights is None else weights
        b.tensor("w", shape, "int8", scale=scales, axis=axis, data=data)
    else:
        b.tensor("x", x, dtype)
        b.tensor("w", shape, dtype, data=rng.normal(size=shape) if weights is None else weights)
    names: list[str | None] = ["x", "w"]
    if bias:
        kind = bias_dtype or BIAS[dtype]
        values = rng.integers(-20000, 20000, channels) if quantized else rng.normal(size=channels)
        values = values if bias_values is None else bias_values
        bias_scales = np.asarray(scales) * x_scale if quantized else None
        bias_axis = 0 if quantized and np.size(bias_scales) > 1 else None
        b.tensor("b", (channels,), kind, scale=bias_scales, axis=bias_axis, data=values)
        names.append("b")
    y = (x[0], *(_out(x[1 + i], filter[i], stride[i], dilation[i], padding) for i in (0, 1)), channels)
    b.tensor("y", y, dtype, **({"scale": y_scale, "zero_point": y_zero_point * zero} if quantized else {}))
    options: dict[str, Any] = {
        "padding": padding,
        "stride_h": stride[0],
        "stride_w": stride[1],
        "dilation_h_factor": dilation[0],
        "dilation_w_factor": dilation[1],
        "fused_activation_function": activation,
    }
    if depthwise:
        options["depth_multiplier"] = channels // x[3]
    elif bias_dtype == "int32" and dtype == "int16":
        options["quantized_bias_type"] = "int32"
    b.op("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", names, ["y"], options=options)
    return b.inputs(["x"]).outputs(["y"]).build()


def pool(
    builtin: str,
    *,
    x: tuple[int, int, int, int],
    filter: tuple[int, int] = (2, 2),
    dtype: str = "int8",
    stride: tuple[int, int] = (2, 2),
    padding: str = "valid",
    activation: str = "none",
    scale: float = 0.05,
    zero_point: int = 7,
) -> bytes:
    """AVERAGE_POOL_2D or MAX_POOL_2D."""
    quant = {} if dtype == "float32" else {"scale": scale, "zero_point": zero_point if dtype == "int8" else 0}
    y = (x[0], *(_out(x[1 + i], filter[i], stride[i], 1, padding) for i in (0, 1)), x[3])
    b = ModelBuilder().tensor("x", x, dtype, **quant).tensor("y", y, dtype, **quant)
    options = {
        "padding": padding,
        "stride_h": stride[0],
        "stride_w": stride[1],
        "filter_height": filter[0],
        "filter_width": filter[1],
        "fused_activation_function": activation,
    }
    return b.op(builtin, ["x"], ["y"], options=options).inputs(["x"]).outputs(["y"]).build()
