"""What Keras exports is trained: every variable of two networks gets TensorFlow's gradient."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from mcu_gen import api
from mcu_gen.graph import Graph
from mcu_gen.train import make_training_graph, parse_spec
from support.training import Run, distance, train_c, train_executor

RATE = 2.0**20

BLOCKS = Path(__file__).with_name("keras_blocks.npz")


def block(name: str) -> dict[str, np.ndarray]:
    """What the file holds of a model (see ``keras_blocks.py``)."""
    with np.load(BLOCKS) as data:
        return {k.removeprefix(f"{name}|"): data[k] for k in data if k.startswith(f"{name}|")}


def in_order_of(tensor: np.ndarray, variable: np.ndarray) -> tuple[int, ...] | None:
    """The order of a Keras variable's axes in which it is the tensor."""
    for axes in itertools.permutations(range(variable.ndim)):
        if np.array_equal(np.transpose(variable, axes).reshape(-1), tensor.reshape(-1)):
            return axes
    return None


def trained_of(graph: Graph, variable: np.ndarray) -> tuple[str, tuple[int, ...]] | None:
    """The tensor of the network that holds a Keras variable, and the order of its axes there."""
    assert graph.training is not None
    for name in graph.training.trained:
        initial = graph.tensors[name].initial
        assert initial is not None
        axes = in_order_of(initial, variable) if initial.size == variable.size else None
        if axes is not None:
            return name, axes
    return None


def check(data: dict[str, np.ndarray], graph: Graph, run: Run) -> set[str]:
    """Compares the gradients of all variables that the network trains; returns the others."""
    assert run.skipped.tolist() == [0]
    assert run.losses[0] == pytest.approx(float(data["loss"]), rel=1e-5)
    variables = [k.removesuffix("|value") for k in data if k.endswith("|value")]
    largest = max(float(np.linalg.norm(data[f"{v}|gradient"])) for v in variables)
    missing, seen = set(), set()
    for v in variables:
        found = trained_of(graph, data[f"{v}|value"])
        if found is None:
            missing.add(v.split("|", 1)[1])
            continue
        name, axes = found
        seen.add(name)
        initial = graph.tensors[name].initial
        assert initial is not None
        mine = (initial.astype(np.float64) - run.weights[name]).reshape(-1) / RATE
        theirs = np.transpose(data[f"{v}|gradient"], axes).reshape(-1)
        # softmax does not see a bias of the keys: measured by the largest gradient
        assert distance(mine, theirs, at_least=1e-3 * largest) <= 1e-5, v
    assert len(seen) == len(variables) - len(missing), "two variables are one tensor"
    return missing


@pytest.mark.parametrize(
    ("name", "frozen"),
    [
        ("transformer", set()),
        # one factor for each group, not along the last axis
        ("convolutions", {"groups|gamma", "groups|beta"}),
    ],
)
def test_every_variable_gets_its_gradient(name: str, frozen: set[str], tmp_path: Path) -> None:
    data = block(name)
    (tmp_path / "model.tflite").write_bytes(data["model"].tobytes())
    graph = make_training_graph(api.load(tmp_path / "model.tflite"), parse_spec("all"), rate=RATE)
    sample = [(data["x"], np.array([2], np.int32))]
    assert check(data, graph, train_executor(graph, sample)) == frozen
    assert check(data, graph, train_c(graph, sample, tmp_path)) == frozen
