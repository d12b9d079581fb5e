"""SUM of quantized tensors, against float64 arithmetic: LiteRT's reference kernel of it is broken (ops/sum.py)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_gen.frontends import load_tflite
from mcu_gen.graph import Executor
from ops.cases_mean import mean


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@given(
    seed=st.integers(0, 2**32 - 1),
    x_scale=st.floats(1e-3, 1.0),
    ratio=st.floats(0.01, 100.0),
    zero_points=st.tuples(st.integers(-128, 127), st.integers(-128, 127)),
)
@settings(deadline=None, max_examples=40)
def test_sum_is_the_rounded_sum(
    dtype: str, seed: int, x_scale: float, ratio: float, zero_points: tuple[int, int]
) -> None:
    zx, zy = zero_points if dtype == "int8" else (0, 0)
    model = mean((4, 3, 5), (1,), dtype=dtype, x_quant=(x_scale, zx), y_quant=(x_scale * ratio, zy), builtin="SUM")
    graph = load_tflite(model, "sum")
    info = np.iinfo(dtype)
    x = np.random.default_rng(seed).integers(info.min, info.max, (4, 3, 5), dtype=dtype, endpoint=True)
    y = Executor(graph).run({"x": x})["y"]
    real = (x.astype(np.float64) - zx).sum(axis=1) * graph.tensors["x"].s / graph.tensors["y"].s + zy
    exact = np.clip(real, info.min, info.max)
    assert np.abs(y - exact).max() <= 0.75 + 1e-3  # two roundings, the first of at most half as much
