"""A network that standardizes its input by the running statistics of the stream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mcu_gen.errors import UnsupportedModelError
from mcu_gen.graph import DType, Executor, Graph, Op, Tensor
from mcu_gen.ops.running_statistics import MOST
from mcu_gen.ops.standardize import LARGEST
from mcu_gen.train import make_training_graph, parse_spec
from support.integer_networks import quantized
from support.training import distance, train_c, train_executor
from train.network import Network, build
from train.networks import conv, dense, op

NET = Network("raw", (1, 5), [dense(6, activation="relu"), dense(3), op("softmax")])

#: Units as sensors have them: large offsets, small and large deviations, a channel that never changes.
OFFSET = np.array([700.0, 20.0, -3.0, 0.004, 5.0])
SPREAD = np.array([150.0, 0.5, 40.0, 0.0004, 0.0])


def stream(count: int, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, count)
    means = np.random.default_rng(9).normal(size=(3, 5))
    x = OFFSET + SPREAD * (means[y] + 0.4 * rng.normal(size=(count, 5)))
    return [(x[i : i + 1].astype(np.float32), y[i : i + 1].astype(np.int32)) for i in range(count)]


def trainer(network: Network = NET, more: str = "", rate: float = 0.05) -> Graph:
    return make_training_graph(build(network), parse_spec(f"all,normalize=running{more}"), rate=rate)


@pytest.mark.parametrize("more", ["", ",dtype=f16", ",optimizer=adam,batch=2"])
def test_c_follows_the_executor_and_learns_from_raw_numbers(more: str, tmp_path: Path) -> None:
    graph, samples = trainer(more=more), stream(120)
    want, got = train_executor(graph, samples), train_c(graph, samples, tmp_path)
    assert distance(got.losses, want.losses) < 1e-2
    assert got.losses[-40:].mean() < 0.5 * got.losses[:20].mean()


def test_statistics_are_mean_and_deviation_of_what_came() -> None:
    graph, samples = trainer(), stream(200)
    executor, t = Executor(graph), graph.training
    assert t is not None
    seen = np.concatenate([x for x, _ in samples]).astype(np.float64)
    for i, (x, y) in enumerate(samples):
        values = executor.run({"x": x, t.label: y}, keep=True)
        if i >= 2:  # by what came before this sample
            deviation = seen[:i].std(axis=0)
            known = deviation > 0
            want = np.where(known, (x[0] - seen[:i].mean(axis=0)) / np.where(known, deviation, 1), 0)
            got = values["x.standardized"][0]
            assert np.allclose(got, np.clip(want, -LARGEST, LARGEST), rtol=2e-3, atol=2e-3)
        else:
            assert not values["x.standardized"].any()
    mean, squares = executor.state["x.statistics"]
    assert executor.state["x.count"].tolist() == [200]
    assert np.allclose(mean, seen.mean(axis=0), rtol=1e-5)
    assert np.allclose(np.sqrt(squares / 200), seen.std(axis=0), rtol=1e-3, atol=1e-6)


def test_an_inference_alone_changes_no_statistics() -> None:
    executor = Executor(trainer())
    for x, _ in stream(5):
        executor.run({"x": x})
    assert not executor.state["x.statistics"].any()


@pytest.mark.parametrize("poison", [np.nan, np.inf, 3e38])
def test_what_is_no_number_stays_out(poison: float, tmp_path: Path) -> None:
    samples = stream(30)
    bad = samples[10][0].copy()
    bad[0, 1] = poison
    clean = train_c(trainer(rate=0.0), [*samples[:10], *samples[11:]], tmp_path)
    (tmp_path / "bad").mkdir()
    found = train_c(trainer(rate=0.0), [*samples[:10], (bad, samples[10][1]), *samples[11:]], tmp_path / "bad")
    assert found.predictions[-1].tobytes() == clean.predictions[-1].tobytes()


def test_the_oldest_rows_fade() -> None:
    """Beyond the largest count the statistics follow a drift."""
    graph = Graph("fade")
    graph.add_tensor(Tensor("x", (MOST // 2, 1), DType.FLOAT32))
    graph.add_tensor(Tensor("s", (2, 1), DType.FLOAT32, variable=True))
    graph.add_tensor(Tensor("n", (1,), DType.FLOAT32, variable=True))
    graph.ops.append(Op("u", "running_statistics", ("x", "s", "n"), ("s", "n")))
    graph.inputs = ["x"]
    executor = Executor(graph)
    for value in (0.0, 0.0, 1.0):
        executor.run({"x": np.full((MOST // 2, 1), value, np.float32)})
    assert executor.state["n"][0] == MOST
    assert executor.state["s"][0, 0] == pytest.approx(1 - np.exp(-0.5), rel=0.01)


def test_images_have_statistics_per_channel(tmp_path: Path) -> None:
    net = Network("image", (1, 6, 5, 3), [conv(4, (3, 3)), op("reshape"), dense(3), op("softmax")])
    rng = np.random.default_rng(4)
    samples = [
        ((100 * rng.normal(size=net.input) + [10, 200, -40]).astype(np.float32), np.array([i % 3], np.int32))
        for i in range(6)
    ]
    graph = trainer(net)
    want, got = train_executor(graph, samples), train_c(graph, samples, tmp_path)
    assert graph.tensors["x.statistics"].shape == (2, 3)
    assert distance(got.losses, want.losses) < 1e-3


def test_integers_are_refused() -> None:
    network = quantized(build(Network("integers", (1, 6), [dense(4), dense(3), op("softmax")])))
    with pytest.raises(UnsupportedModelError, match="one float32 input"):
        make_training_graph(network.graph, parse_spec("head,normalize=running"))
