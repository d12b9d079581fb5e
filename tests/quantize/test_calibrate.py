"""Calibration: ranges per method, and what is said about unusable data."""

from __future__ import annotations

import numpy as np
import pytest

from mcu_gen.errors import UsageError
from mcu_gen.frontends import load_tflite
from mcu_gen.graph import Graph
from mcu_gen.quantize.calibrate import Range, calibrate, samples_of
from quantize.models import FloatNetwork, classifier


def identity(*shape: int) -> Graph:
    n = FloatNetwork()
    n.input("x", *shape)
    n.unary("RELU", "x", "y")
    return load_tflite(n.build(["x"], ["y"]), "m")


def ranges(values: np.ndarray, method: str, percentile: float = 99.9) -> Range:
    graph = identity(1, values.size)
    samples = samples_of(graph, {"x": values.reshape(1, -1)})
    return calibrate(graph, samples, {"x": "x"}, method, percentile)["x"]


def error(values: np.ndarray, r: Range) -> float:
    scale = (r.high - r.low) / 255
    zero_point = np.round(-r.low / scale)
    code = np.clip(np.round(values / scale) + zero_point, 0, 255)
    return float(((values - (code - zero_point) * scale) ** 2).mean())


def test_minmax_is_everything_and_zero() -> None:
    assert ranges(np.array([1.0, 3.0], np.float32), "minmax") == Range(0.0, 3.0)
    assert ranges(np.array([-2.0, -1.0], np.float32), "minmax") == Range(-2.0, 0.0)
    assert ranges(np.zeros(3, np.float32), "mse") == Range(0.0, 0.0)


def test_percentile_drops_outliers_only() -> None:
    values = np.random.default_rng(0).normal(0, 1, 20000).astype(np.float32)
    values[:4] = (100, -50, 60, -70)
    r = ranges(values, "percentile")
    assert 2.5 < r.high < 5
    assert -5 < r.low < -2.5
    assert ranges(values, "percentile", 100) == Range(-70.0, 100.0)


def test_mse_is_never_worse_than_minmax() -> None:
    rng = np.random.default_rng(1)
    for values in (
        rng.normal(size=5000),
        rng.standard_t(2, 5000),
        rng.uniform(-1, 3, 5000),
        rng.exponential(size=5000),
    ):
        x = values.astype(np.float32)
        assert error(x, ranges(x, "mse")) <= error(x, ranges(x, "minmax")) * 1.02


def test_mse_gives_up_a_rare_outlier_for_precision() -> None:
    x = np.random.default_rng(2).uniform(-0.1, 0.1, 1_000_000).astype(np.float32)
    x[0] = 0.5
    assert error(x, ranges(x, "mse")) < 0.7 * error(x, ranges(x, "minmax"))


def test_samples_by_name_by_x_and_without_batch_axis() -> None:
    graph = load_tflite(classifier(), "m")
    x = np.random.default_rng(0).normal(size=(3, 8, 8, 3))
    for data in ({"image": x}, {"x": x}, {"whatever": x}, {"x": x[:, None]}):
        samples = samples_of(graph, data)
        assert len(samples) == 3
        assert samples[0]["image"].shape == (1, 8, 8, 3)
        assert samples[0]["image"].dtype == np.float32


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "no data"),
        ({"a": np.zeros((2, 3)), "b": np.zeros(2)}, "no data"),
        ({"x": np.zeros((2, 9))}, "expected"),
        ({"x": np.zeros(())}, "expected"),
        ({"x": np.zeros((0, 8, 8, 3))}, "no samples"),
        ({"x": np.full((1, 8, 8, 3), np.nan)}, "NaN"),
        ({"x": np.full((1, 8, 8, 3), 1e300)}, "infinities"),
        ({"x": np.full((1, 8, 8, 3), "a")}, "not numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_unusable_data(data: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        samples_of(load_tflite(classifier(), "m"), data)


def test_inputs_must_have_as_many_samples() -> None:
    n = FloatNetwork()
    n.input("a", 1, 2)
    n.input("b", 1, 2)
    n.binary("ADD", "a", "b", "y")
    graph = load_tflite(n.build(["a", "b"], ["y"]), "m")
    with pytest.raises(UsageError, match="different numbers"):
        samples_of(graph, {"a": np.zeros((2, 2)), "b": np.zeros((3, 2))})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_without_a_range_are_an_error(value: float) -> None:
    with pytest.raises(UsageError, match="infinities or NaN in x"):
        calibrate(identity(1, 2), [{"x": np.full((1, 2), value, np.float32)}], {"x": "x"})
