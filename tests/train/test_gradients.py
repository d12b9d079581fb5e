"""Every gradient rule: TensorFlow's GradientTape = NumPy executor = generated C, and finite differences.

The gradient of a tensor is read off its update with a learning rate so large that the weights themselves vanish
beside it: (w before - w after) / rate.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mcu_gen.graph import Executor, Graph
from mcu_gen.train import make_training_graph, parse_spec
from support.training import Run, distance, train_c, train_executor
from train.networks import NETWORKS, Network, build
from train.oracle import committed, interpreter, tape_gradients
from train.random_networks import random_chain, random_graph

RATE = 2.0**20

#: Largest relative L2 distance of a gradient in float32.
TOLERANCE = 1e-5


def trainer(network: Network) -> Graph:
    return make_training_graph(build(network), parse_spec(f"all,loss={network.loss}"), rate=RATE)


def gradients(network: Network, run: Run) -> dict[str, np.ndarray]:
    """The gradients that a run of one step applied."""
    assert run.skipped.tolist() == [0]
    assert set(run.weights) == set(network.arrays) - {"x", "label"}
    weights = {k: w for k, w in run.weights.items() if k[0] != "m"}  # running statistics have no gradient
    return {k: (network.arrays[k].astype(np.float64) - as_in_model(network, k, w)) / RATE for k, w in weights.items()}


def as_in_model(network: Network, key: str, w: np.ndarray) -> np.ndarray:
    """A trained tensor in its shape: filters of a transposed convolution are trained as those of a convolution."""
    scattered = key[0] == "w" and network.layers[int(key[1:])]["op"] == "transpose_conv"
    return np.transpose(w, (3, 1, 2, 0)) if scattered else w


def one_step(network: Network) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(network.arrays["x"], network.arrays["label"])]


def check(network: Network, reference: dict[str, np.ndarray], found: Run, floor: float = 0.0) -> None:
    """Loss and gradients are TensorFlow's.

    Args:
        floor: gradients smaller than this share of the largest one are measured by it.
    """
    assert found.losses[0] == pytest.approx(float(reference[f"{network.name}/loss"]), rel=1e-5)
    mine = gradients(network, found)
    assert mine, "nothing was trained"
    theirs = {k: reference.get(f"{network.name}/grad/{k}", np.zeros_like(g)) for k, g in mine.items()}
    largest = max(float(np.linalg.norm(g)) for g in theirs.values())
    far = {k: distance(g, theirs[k], at_least=floor * largest) for k, g in mine.items()}
    assert max(far.values()) <= TOLERANCE, f"{network.name}: {far}"


@pytest.mark.parametrize("index", range(len(NETWORKS)), ids=[n.name for n in NETWORKS])
def test_executor_and_c_compute_tensorflows_gradients(index: int, tmp_path: Path) -> None:
    networks, reference = committed()
    network = networks[index]
    graph = trainer(network)
    check(network, dict(reference), train_executor(graph, one_step(network)))
    check(network, dict(reference), train_c(graph, one_step(network), tmp_path))


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n.name)
def test_gradients_are_finite_differences(network: Network) -> None:
    graph = build(network)
    step = gradients(network, train_executor(trainer(network), one_step(network)))
    rng = np.random.default_rng(0)
    for name, gradient in step.items():
        size = float(np.linalg.norm(gradient))
        for direction in (gradient / max(size, 1e-12), rng.normal(size=gradient.shape) / np.sqrt(gradient.size)):
            slope = _slope(network, graph, name, direction)
            assert slope == pytest.approx(float((gradient * direction).sum()), abs=0.01 * size + 1e-4), name


def _slope(network: Network, graph: Graph, name: str, direction: np.ndarray, distance: float = 2e-3) -> float:
    """Central difference of the loss along ``direction``."""
    losses = []
    for sign in (1, -1):
        moved = graph.copy()
        w = network.arrays[name] + sign * distance * direction
        moved.tensors[name] = moved.tensors[name].replace(data=w.astype(np.float32))
        trained = make_training_graph(moved, parse_spec(f"all,loss={network.loss}"), rate=0.0)
        assert trained.training is not None
        sample = {"x": network.arrays["x"], trained.training.label: network.arrays["label"]}
        losses.append(float(Executor(trained).run(sample)[trained.training.loss][0]))
    return (losses[0] - losses[1]) / (2 * distance)


def check_random(networks: list[Network], folder: Path, in_c: int) -> None:
    """The executor against TensorFlow, and the generated C of the first ``in_c`` networks.

    Some weights hardly change the loss, or not at all: their gradient is measured by the network's largest one.
    """
    python = interpreter()
    assert python is not None
    reference = tape_gradients(networks, python, folder)
    for i, network in enumerate(networks):
        graph = trainer(network)
        check(network, reference, train_executor(graph, one_step(network)), floor=1e-3)
        if i < in_c:
            (folder / network.name).mkdir()
            check(network, reference, train_c(graph, one_step(network), folder / network.name), floor=1e-3)


@pytest.mark.skipif(interpreter() is None, reason="no TensorFlow here, and MCU_GEN_TENSORFLOW names no Python with it")
def test_random_networks_against_tensorflow(tmp_path: Path) -> None:
    check_random([random_chain(seed) for seed in range(20)] + [random_graph(seed) for seed in range(40)], tmp_path, 0)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 1300, 50))
@pytest.mark.skipif(interpreter() is None, reason="no TensorFlow here, and MCU_GEN_TENSORFLOW names no Python with it")
def test_many_random_graphs_against_tensorflow(first: int, tmp_path: Path) -> None:
    check_random([random_graph(seed) for seed in range(first, first + 50)], tmp_path, 5)
