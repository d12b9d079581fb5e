"""CONV_2D: windows, strides, dilation, padding, groups, scales, rounding."""

from __future__ import annotations

from functools import partial

import numpy as np

from support.images import convolution
from support.three_way import Case

_SHAPES = {
    "1x1": {"x": (1, 5, 4, 3), "channels": 6, "filter": (1, 1), "padding": "valid"},
    "1x1 deep": {"x": (1, 4, 3, 19), "channels": 9, "filter": (1, 1), "padding": "valid"},
    "1x1 stride 2": {"x": (1, 5, 6, 8), "channels": 4, "filter": (1, 1), "stride": (2, 2)},
    "1x1 one pixel": {"x": (1, 1, 1, 17), "channels": 5, "filter": (1, 1)},
    "1x1 batch 3": {"x": (3, 3, 3, 4), "channels": 7, "filter": (1, 1)},
    "3x3 same": {"x": (1, 6, 5, 3), "channels": 4},
    "3x3 valid": {"x": (1, 6, 5, 3), "channels": 4, "padding": "valid"},
    "3x3 same stride 2 even": {"x": (1, 6, 8, 3), "channels": 4, "stride": (2, 2)},
    "3x3 same stride 2 odd": {"x": (1, 7, 5, 3), "channels": 4, "stride": (2, 2)},
    "3x3 stride 3x2": {"x": (1, 8, 9, 2), "channels": 3, "stride": (3, 2)},
    "2x4 same": {"x": (1, 5, 7, 2), "channels": 3, "filter": (2, 4)},
    "10x4 same stride 2": {"x": (1, 13, 9, 1), "channels": 8, "filter": (10, 4), "stride": (2, 2)},
    "larger than input": {"x": (1, 2, 3, 2), "channels": 3, "filter": (5, 7)},
    "dilation 2x3 same": {"x": (1, 9, 10, 2), "channels": 3, "dilation": (2, 3)},
    "dilation 2 valid": {"x": (1, 8, 8, 2), "channels": 3, "dilation": (2, 2), "padding": "valid"},
    "dilation larger than input": {"x": (1, 3, 3, 2), "channels": 2, "dilation": (4, 4)},
    "batch 2": {"x": (2, 5, 4, 3), "channels": 4, "stride": (2, 1)},
    "groups": {"x": (1, 5, 5, 6), "channels": 9, "filter_c": 2},
    "groups of one": {"x": (1, 4, 4, 4), "channels": 4, "filter_c": 1},
    "groups 1x1": {"x": (1, 4, 4, 8), "channels": 6, "filter_c": 4, "filter": (1, 1)},
    "one channel": {"x": (1, 4, 4, 1), "channels": 1},
}
_QUICK = {"1x1 deep", "3x3 same stride 2 even", "groups"}
_INT8 = {
    "per tensor": {"per_channel": False},
    "no zero points": {"x_zero_point": 0, "y_zero_point": 0},
    "zero points at the low end": {"x_zero_point": -128, "y_zero_point": -128},
    "zero points at the high end": {"x_zero_point": 127, "y_zero_point": 127},
    "relu": {"activation": "relu", "y_zero_point": -20},
    "relu6": {"activation": "relu6", "y_scale": 0.04},
    "relu_n1_to_1": {"activation": "relu_n1_to_1", "y_scale": 0.03},
    "saturates": {"y_scale": 0.001},
    "tiny outputs": {"y_scale": 50.0},
    "zero bias": {"bias_values": np.zeros(4, np.int32)},
    "large bias": {"bias_values": np.array([2**31 - 1, -(2**31), 2**30, -(2**30)])},
    "zero scale": {"w_scale": np.array([0.0, 0.01, 0.0, 0.02])},
}


def _rounding(name: str, factor: float, values: np.ndarray, **more: object) -> Case:
    """Sums that are exactly ``values`` (the bias) times a factor: weights are 1, the input is its zero point."""
    n = len(values)
    options = {
        "x": (1, 1, 1, 1), "channels": n, "filter": (1, 1), "weights": np.ones((n, 1, 1, 1), np.int8),
        "bias_values": values, "x_scale": 1.0, "x_zero_point": 0, "w_scale": np.full(n, factor), "y_scale": 1.0,
        "y_zero_point": 0,
    }  # fmt: skip
    dtype = str(more.get("dtype", "int8"))
    inputs = [[np.zeros((1, 1, 1, 1), dtype)]]
    return Case(name, partial(convolution, **(options | more)), inputs=inputs)  # type: ignore[arg-type]


_HALVES = np.arange(-300, 301)
_FAR = np.unique(np.concatenate([np.linspace(-(2**31), 2**31 - 1, 301).astype(np.int64), 2 ** np.arange(20, 31)]))
_WIDE = np.unique(np.linspace(-80000, 80000, 701).astype(np.int64))
_FACTORS = {"1/2": 0.5, "1/4": 0.25, "1/8": 0.125, "1/256": 1 / 256, "3/4": 0.75, "1/6": 1 / 6, "0.3": 0.3, "1": 1.0,
            "rounds to 2^31": 0.99999999, "3.7": 3.7, "16": 16.0}  # fmt: skip

CASES = [
    *(Case(f"s8 {n}", partial(convolution, **o), quick=n in _QUICK) for n, o in _SHAPES.items()),
    *(Case(f"f32 {n}", partial(convolution, dtype="float32", **o), quick=n in _QUICK) for n, o in _SHAPES.items()),
    *(Case(f"s16 {n}", partial(convolution, dtype="int16", **o), quick=n in _QUICK) for n, o in _SHAPES.items()),
    *(
        Case(f"s16 bias32 {n}", partial(convolution, dtype="int16", bias_dtype="int32", **o), quick=n in _QUICK)
        for n, o in _SHAPES.items()
        if n in _QUICK or n == "3x3 same"
    ),
    *(Case(f"s8 {n}", partial(convolution, x=(1, 5, 5, 3), channels=4, **o)) for n, o in _INT8.items()),
    Case("s8 no bias", partial(convolution, x=(1, 5, 5, 3), channels=4, bias=False), oracle=False),
    Case("f32 no bias", partial(convolution, x=(1, 5, 5, 3), channels=4, bias=False, dtype="float32"), oracle=False),
    *(
        Case(f"f32 {a}", partial(convolution, x=(1, 5, 5, 3), channels=4, dtype="float32", activation=a))
        for a in ("relu", "relu6", "relu_n1_to_1")
    ),
    *(
        Case(f"s16 {a}", partial(convolution, x=(1, 5, 5, 3), channels=4, dtype="int16", activation=a, y_scale=1e-3))
        for a in ("relu", "relu6", "relu_n1_to_1")
    ),
    *(_rounding(f"s8 factor {n}", f, _HALVES) for n, f in _FACTORS.items()),
    *(_rounding(f"s16 factor {n}", f, _WIDE, dtype="int16") for n, f in _FACTORS.items()),
    *(_rounding(f"s8 far sums, factor {f:g}", f, _FAR) for f in (2.0**-26, 1e-7, 0.25, 16.0, 1000.0)),
    *(_rounding(f"s16 bias32 factor {n}", f, _WIDE, dtype="int16", bias_dtype="int32") for n, f in _FACTORS.items()),
]
