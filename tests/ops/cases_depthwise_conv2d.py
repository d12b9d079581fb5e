"""DEPTHWISE_CONV_2D: windows, strides, dilation, padding, depth multipliers, scales, rounding."""

from __future__ import annotations

from functools import partial

import numpy as np

from support.images import convolution
from support.three_way import Case

_depthwise = partial(convolution, depthwise=True)

_SHAPES = {
    "3x3 same": {"x": (1, 6, 5, 4), "channels": 4},
    "3x3 valid": {"x": (1, 6, 5, 4), "channels": 4, "padding": "valid"},
    "3x3 same stride 2 even": {"x": (1, 6, 8, 3), "channels": 3, "stride": (2, 2)},
    "3x3 same stride 2 odd": {"x": (1, 7, 5, 3), "channels": 3, "stride": (2, 2)},
    "3x3 stride 3x2": {"x": (1, 8, 9, 2), "channels": 2, "stride": (3, 2)},
    "multiplier 2": {"x": (1, 5, 5, 3), "channels": 6},
    "multiplier 8 of one channel": {"x": (1, 9, 6, 1), "channels": 8, "filter": (10, 8), "stride": (2, 2)},
    "1x1": {"x": (1, 4, 3, 5), "channels": 5, "filter": (1, 1)},
    "2x4 same": {"x": (1, 5, 7, 2), "channels": 2, "filter": (2, 4)},
    "7x7": {"x": (1, 8, 7, 3), "channels": 3, "filter": (7, 7)},
    "larger than input": {"x": (1, 2, 3, 2), "channels": 4, "filter": (5, 7)},
    "dilation 2x3 same": {"x": (1, 9, 10, 2), "channels": 2, "dilation": (2, 3)},
    "dilation 2 valid": {"x": (1, 8, 8, 2), "channels": 4, "dilation": (2, 2), "padding": "valid"},
    "dilation larger than input": {"x": (1, 3, 3, 2), "channels": 2, "dilation": (4, 4)},
    "batch 2": {"x": (2, 5, 4, 3), "channels": 3, "stride": (2, 1)},
    "one channel": {"x": (1, 4, 4, 1), "channels": 1},
    "3x3 same, 19 channels": {"x": (1, 9, 8, 19), "channels": 19},
}
_QUICK = {"3x3 same stride 2 even", "multiplier 2", "3x3 same, 19 channels"}
_INT8 = {
    "per tensor": {"per_channel": False},
    "no bias": {"bias": False},
    "zero points at the low end": {"x_zero_point": -128, "y_zero_point": -128},
    "zero points at the high end": {"x_zero_point": 127, "y_zero_point": 127},
    "relu": {"activation": "relu", "y_zero_point": -20},
    "relu6": {"activation": "relu6", "y_scale": 0.04},
    "relu_n1_to_1": {"activation": "relu_n1_to_1", "y_scale": 0.03},
    "saturates": {"y_scale": 0.001},
    "tiny outputs": {"y_scale": 50.0},
    "large bias": {"bias_values": np.array([2**31 - 1, -(2**31), 2**30, -(2**30)])},
    "zero scale": {"w_scale": np.array([0.0, 0.01, 0.0, 0.02])},
}


def _rounding(name: str, factor: float, values: np.ndarray, **more: object) -> Case:
    """Sums that are exactly ``values`` (the bias) times a factor: weights are 1, the input is its zero point."""
    n = len(values)
    options = {
        "x": (1, 1, 1, 1), "channels": n, "filter": (1, 1), "weights": np.ones((1, 1, 1, n), np.int8),
        "bias_values": values, "x_scale": 1.0, "x_zero_point": 0, "w_scale": np.full(n, factor), "y_scale": 1.0,
        "y_zero_point": 0,
    }  # fmt: skip
    inputs = [[np.zeros((1, 1, 1, 1), str(more.get("dtype", "int8")))]]
    return Case(name, partial(_depthwise, **(options | more)), inputs=inputs)  # type: ignore[arg-type]


_HALVES = np.arange(-300, 301)
_FAR = np.unique(np.concatenate([np.linspace(-(2**31), 2**31 - 1, 301).astype(np.int64), 2 ** np.arange(20, 31)]))
_WIDE = np.unique(np.linspace(-80000, 80000, 701).astype(np.int64))
_FACTORS = {"1/2": 0.5, "1/8": 0.125, "1/6": 1 / 6, "0.3": 0.3, "rounds to 2^31": 0.99999999, "3.7": 3.7}

CASES = [
    *(Case(f"s8 {n}", partial(_depthwise, **o), quick=n in _QUICK) for n, o in _SHAPES.items()),
    *(Case(f"f32 {n}", partial(_depthwise, dtype="float32", **o), quick=n in _QUICK) for n, o in _SHAPES.items()),
    *(Case(f"s16 {n}", partial(_depthwise, dtype="int16", **o), quick=n in _QUICK) for n, o in _SHAPES.items()),
    *(Case(f"s8 {n}", partial(_depthwise, x=(1, 5, 5, 4), channels=4, **o)) for n, o in _INT8.items()),
    Case("s16 no bias", partial(_depthwise, x=(1, 5, 5, 4), channels=4, bias=False, dtype="int16")),
    Case("f32 no bias", partial(_depthwise, x=(1, 5, 5, 4), channels=4, bias=False, dtype="float32")),
    *(
        Case(f"f32 {a}", partial(_depthwise, x=(1, 5, 5, 4), channels=4, dtype="float32", activation=a))
        for a in ("relu", "relu6", "relu_n1_to_1")
    ),
    *(_rounding(f"s8 factor {n}", f, _HALVES) for n, f in _FACTORS.items()),
    *(_rounding(f"s16 factor {n}", f, _WIDE, dtype="int16") for n, f in _FACTORS.items()),
    *(_rounding(f"s8 far sums, factor {f:g}", f, _FAR) for f in (2.0**-26, 1e-7, 0.25, 16.0, 1000.0)),
]
