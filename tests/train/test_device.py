"""A generated project that trains: on the host and on an emulated Cortex-M4, through the wire."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mcu_gen import api
from mcu_gen.api.inference import COLUMNS
from mcu_gen.errors import UsageError
from train.networks import Network, build, dense, op

#: The network of the figure in docs/training.md.
FIGURE = Network("figure", (1, 128), [dense(64, activation="relu"), dense(10), op("softmax")])

#: Instructions of a whole training step of it on a Cortex-M4, at most.
LIMIT = 110_000


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train") / "project"
    api.generate(build(FIGURE), "mps2_an386", folder, train="all")
    return folder


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    y = rng.integers(0, 10, 40)
    means = rng.normal(size=(10, 128))
    return (means[y] + rng.normal(size=(40, 128))).astype(np.float32), y


def test_learning_on_the_host(project: Path, data: tuple[np.ndarray, np.ndarray]) -> None:
    run = api.train(project, *data, steps=80, rate=0.02, shuffle=1)
    assert run.skipped == 0
    assert len(run.loss) == run.steps == 80
    assert run.accuracy_before is not None
    assert run.accuracy_after is not None
    assert run.accuracy_after > max(run.accuracy_before, 0.8)


@pytest.mark.qemu
def test_the_core_gives_the_hosts_bits_within_the_limit(project: Path, data: tuple[np.ndarray, np.ndarray]) -> None:
    host = api.train(project, *data, steps=12, rate=0.02)
    core = api.train(project, *data, steps=12, rate=0.02, on="qemu")
    assert core.loss == host.loss
    assert all(core.weights[k].tobytes() == host.weights[k].tobytes() for k in host.weights)
    assert core.instructions_per_step is not None
    assert core.instructions_per_step <= LIMIT


@pytest.mark.qemu
def test_a_profile_has_every_layer_of_the_step(project: Path) -> None:
    whole, inference = (api.profile(project, on="qemu", train=train) for train in (True, False))
    assert [layer["phase"] for layer in whole["layers"]].count("update") == 4
    assert whole["layers"][: len(inference["layers"])] != []
    assert {layer["phase"] for layer in inference["layers"]} == {"inference"}
    assert whole["total"]["macs"] == 8_832 + 8_832 + 640
    assert "by_layer" not in inference


@pytest.mark.qemu
def test_a_profile_tells_gradients_apart_by_layer(project: Path) -> None:
    """Every instruction belongs to a layer of the network or to the loss; the first layer needs no input gradient but
    that of its activation, and head and tail of the network have gradients of weights and biases."""
    found = api.profile(project, on="qemu", train=True)
    rows = {r["layer"]: r for r in found["by_layer"]}
    assert list(rows) == ["fully_connected0", "fully_connected1", "softmax2", "loss"]
    assert sum(r["total"] for r in rows.values()) == found["total"]["instructions"]
    assert all(sum(r[c] for c in COLUMNS) == r["total"] for r in rows.values())
    first, last = rows["fully_connected0"], rows["fully_connected1"]
    assert 0 < first["input_gradient"] < 1_500, "the clamp alone"
    assert last["input_gradient"] > 1_500
    for row in (first, last):
        assert row["weight_gradient"] > 10 * row["bias_gradient"] > 0
    assert rows["softmax2"]["total"] == rows["softmax2"]["forward"]


@pytest.mark.parametrize(
    ("y", "words"),
    [(np.arange(40) - 1, "classes"), (np.arange(40), "classes"), (np.zeros(39, int), "39 labels"),
     (np.full(40, 0.5), "whole numbers"), (np.full(40, "a"), "numbers are wanted")],
)  # fmt: skip
def test_labels_that_do_not_fit(project: Path, data: tuple[np.ndarray, np.ndarray], y: np.ndarray, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        api.train(project, data[0], y, steps=1, rate=0.1)


def test_a_project_without_training_says_so(tmp_path: Path, data: tuple[np.ndarray, np.ndarray]) -> None:
    api.generate(build(FIGURE), "mps2_an386", tmp_path / "plain")
    with pytest.raises(UsageError, match="generated without training"):
        api.train(tmp_path / "plain", *data, steps=1, rate=0.1)
