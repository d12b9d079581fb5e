"""Blocks of transformers and of mobile networks, trained end to end; factors and offsets never become infinite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mcu_gen.graph import Graph
from mcu_gen.train import make_training_graph, parse_spec
from support.training import distance, train_c, train_executor
from train.network import Network, build, conv, op
from train.networks import mobile_block, transformer

Samples = list[tuple[np.ndarray, np.ndarray]]

BLOCKS = [transformer("transformer"), mobile_block("mobile block")]

#: Every update of channels: factors of equal and of broadcast inputs, offsets on either side, slopes.
AFFINE = Network(
    "affine", (1, 4, 3, 2),
    [conv(3, (2, 2)), op("mul", vector=(3,)), op("sub", vector=(3,)), op("prelu", alpha=(4, 3, 3)),
     op("mean", axes=(3,), keep_dims=True), op("mul", vector=(1, 1, 4)), op("sub", vector=(4,), side=0),
     op("mean"), op("softmax")],
)  # fmt: skip


def trainer(network: Network, rate: float) -> Graph:
    return make_training_graph(build(network), parse_spec(f"all,loss={network.loss}"), rate=rate)


def stream(network: Network, count: int) -> Samples:
    """A task that can be learnt: every class has a mean of its own."""
    rng = np.random.default_rng(0)
    means, labels = rng.normal(size=(4, *network.input)), rng.integers(0, 4, count)
    x = means[labels] + 0.3 * rng.normal(size=(count, *network.input))
    return [(a.astype(np.float32), np.array([c], np.int32)) for a, c in zip(x, labels, strict=True)]


@pytest.mark.parametrize("network", BLOCKS, ids=lambda n: n.name)
def test_blocks_learn_in_c_as_in_the_executor(network: Network, tmp_path: Path) -> None:
    graph, samples = trainer(network, 0.05), stream(network, 120)
    want, got = train_executor(graph, samples), train_c(graph, samples, tmp_path)
    assert not got.skipped.any()
    assert distance(got.losses, want.losses) < 1e-3
    assert all(distance(got.weights[k], want.weights[k]) < 1e-3 for k in want.weights)
    assert got.losses[-30:].mean() < 0.5 * got.losses[:30].mean()


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 3e38])
def test_what_is_not_finite_never_reaches_a_factor(poison: float, tmp_path: Path) -> None:
    graph, samples = trainer(AFFINE, 0.05), stream(AFFINE, 4)
    bad = samples[2][0].copy()
    bad.reshape(-1)[5] = poison
    samples[2] = (bad, samples[2][1])
    with np.errstate(over="ignore"):
        runs = [train_executor(graph, samples), train_c(graph, samples, tmp_path)]
    for run in runs:
        assert run.skipped.tolist()[:2] == [0, 0]
        assert run.skipped[2] > 0
        assert run.skipped[3] == 0
        assert all(np.isfinite(w).all() for w in run.weights.values())
