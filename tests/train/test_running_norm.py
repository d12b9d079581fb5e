"""Batch normalization whose statistics follow the stream: what is rewritten, and what the statistics are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mcu_gen.graph import Executor, Graph
from mcu_gen.train import make_training_graph, parse_spec
from mcu_gen.train.running_norm import MOMENTUM, with_running_norms
from support.training import Run, distance, train_c, train_executor
from train.network import Network, Stack, build, conv, dense, op
from train.networks import layer_norm

Samples = list[tuple[np.ndarray, np.ndarray]]

_END = [op("reshape"), dense(4), op("softmax")]
MAP = Network("map", (1, 5, 4, 2), [conv(3, (3, 3)), op("mul", vector=(1, 1, 1, 3)), op("add", vector=(3,)), *_END])
ROW = Network("row", (1, 6), [dense(5), op("mul", vector=(5,), side=0), op("sub", vector=(1, 5)), op("relu"), dense(4)])
RELU = Network(
    "relu", (1, 5, 4, 2), [conv(3, (2, 2)), op("mul", vector=(3,)), op("add", vector=(3,), activation="relu"), *_END]
)
NETWORKS = [MAP, ROW, RELU]


def stream(network: Network, count: int) -> Samples:
    rng = np.random.default_rng(count)
    labels = rng.integers(0, 4, count)
    means = rng.normal(1.0, 2.0, (4, *network.input))
    x = means[labels] + 0.5 * rng.normal(size=(count, *network.input))
    return [(a.astype(np.float32), np.array([c], np.int32)) for a, c in zip(x, labels, strict=True)]


def trainer(network: Network, spec: str = "all", rate: float = 0.05) -> Graph:
    spec = f"{spec},loss=softmax_cross_entropy"
    return make_training_graph(build(network), parse_spec(f"{spec},batch_norm=running"), rate=rate)


def statistics(run: Run) -> np.ndarray:
    (name,) = [k for k in run.weights if k.endswith(".statistics")]
    return run.weights[name]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n.name)
def test_the_function_stays_as_it_is(network: Network) -> None:
    graph = build(network)
    rewritten = with_running_norms(graph)
    assert [o.type for o in rewritten.ops].count("batch_norm") == 1
    assert not {o.type for o in rewritten.ops} & {"mul", "add", "sub"}
    for x, _ in stream(network, 5):
        want, got = (next(iter(Executor(g).run({"x": x}).values())) for g in (graph, rewritten))
        assert distance(got, want) < 1e-6


@pytest.mark.parametrize("network", [MAP, ROW], ids=lambda n: n.name)
def test_statistics_are_those_of_everything_seen_weighted_by_age(network: Network, tmp_path: Path) -> None:
    """The reference is the definition: weighted mean and variance over all pixels so far, and the start."""
    samples = stream(network, 40)
    layer = build(network).ops[2].name
    graph = trainer(network, f"layers={layer}", rate=0.0)
    seen = [Executor(build(network)).run({"x": x}, keep=True)[build(network).ops[0].outputs[0]] for x, _ in samples]
    rows = [s.reshape(-1, s.shape[-1]).astype(np.float64) for s in seen]
    parts = [np.full(len(r), (1 - MOMENTUM) * MOMENTUM**age / len(r)) for age, r in enumerate(reversed(rows))]
    weights = np.concatenate(parts[::-1])
    pixels, start = np.concatenate(rows), MOMENTUM ** len(rows)
    mean = weights @ pixels
    variance = weights @ (pixels - mean) ** 2 + start * (1 - 2.0**-10 + mean**2)
    for run in (train_executor(graph, samples), train_c(graph, samples, tmp_path)):
        assert not run.skipped.any()
        assert distance(statistics(run), np.stack([mean, variance])) < 1e-5


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n.name)
def test_a_run_in_c_follows_the_executor_and_learns(network: Network, tmp_path: Path) -> None:
    graph, samples = trainer(network, rate=0.02), stream(network, 150)
    want, got = train_executor(graph, samples), train_c(graph, samples, tmp_path)
    assert distance(got.losses, want.losses) < 1e-3
    assert all(distance(got.weights[k], want.weights[k]) < 1e-3 for k in want.weights)
    assert np.abs(statistics(got)[0]).max() > 0.1
    assert got.losses[-50:].mean() < 0.8 * got.losses[:50].mean()


@pytest.mark.parametrize("poison", [np.nan, np.inf, 3e38, 2.0**60])
def test_what_is_too_large_never_reaches_the_statistics(poison: float, tmp_path: Path) -> None:
    """At a rate of 0 nothing else moves: the poisoned step must leave no trace."""
    graph, samples = trainer(MAP, rate=0.0), stream(MAP, 3)
    bad = samples[1][0].copy()
    bad.reshape(-1)[7] = poison
    clean = train_executor(graph, [samples[0], samples[2]])
    samples[1] = (bad, samples[1][1])
    want, got = train_executor(graph, samples), train_c(graph, samples, tmp_path)
    assert got.skipped.tolist() == want.skipped.tolist()
    assert got.skipped[1] > 0
    assert got.skipped[2] == 0
    assert distance(statistics(got), statistics(clean)) < 1e-5
    assert all(np.isfinite(w).all() for w in got.weights.values())


def _pairs_that_stay() -> dict[str, Network]:
    norm = Stack()
    layer_norm(norm, norm(dense(6)), 6)
    classic = Stack()
    x = classic(dense(6))
    mean = classic(op("mean", axes=(-1,), keep_dims=True), x)
    away = classic(op("sub"), x, mean)
    square = classic(op("mean", axes=(-1,), keep_dims=True), classic(op("square"), away))
    classic(op("mul"), away, classic(op("rsqrt"), classic(op("add", value=1e-3), square)))
    layers = [*classic.layers, op("mul", vector=(6,)), op("add", vector=(6,))]
    used = Stack()
    x = used(op("mul", vector=(6,)), used(dense(6)))
    used(op("mul"), x, used(op("add", vector=(6,)), x))
    return {
        "layer norm": Network("stays", (1, 6), [*norm.layers, dense(4)]),
        "classic layer norm": Network("stays", (1, 6), [*layers, dense(4)]),
        "input": Network("stays", (1, 6), [op("mul", vector=(6,)), op("add", vector=(6,)), dense(4)]),
        "activation": Network("stays", (1, 6), [dense(6), op("mul", vector=(6,), activation="relu"),
                                                op("add", vector=(6,)), dense(4)]),
        "scalar": Network("stays", (1, 6), [dense(6), op("mul", value=2.0), op("add", vector=(6,)), dense(4)]),
        "wider": Network("stays", (1, 6), [dense(1), op("mul", vector=(6,)), op("add", vector=(6,)), dense(4)]),
        "reversed": Network("stays", (1, 6), [dense(6), op("mul", vector=(6,)), op("sub", vector=(6,), side=0),
                                              dense(4)]),
        "used twice": Network("stays", (1, 6), [*used.layers, dense(4)]),
        "alone": Network("stays", (1, 6), [dense(6), op("mul", vector=(6,)), dense(4)]),
    }  # fmt: skip


@pytest.mark.parametrize("network", _pairs_that_stay().values(), ids=_pairs_that_stay().keys())
def test_pairs_that_stay(network: Network) -> None:
    graph = build(network)
    assert [o.type for o in with_running_norms(graph).ops] == [o.type for o in graph.ops]


def test_only_what_is_trained_moves() -> None:
    frozen = trainer(MAP, "head")
    assert frozen.training is not None
    assert frozen.training.trained == ("w4", "b4")
    assert "batch_norm_statistics" not in {o.type for o in frozen.ops}
    offsets = trainer(MAP, "bias")
    assert offsets.training is not None
    assert offsets.training.trained == ("b0", "b2", "b4")
