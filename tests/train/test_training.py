"""Training runs: the generated C against the executor, what is frozen, what is refused, and what must never happen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mcu_gen.errors import McuGenError, UnsupportedModelError, UsageError
from mcu_gen.graph import Executor, Graph
from mcu_gen.plan.planner import make_plan
from mcu_gen.train import make_training_graph, parse_spec
from support.training import HOST, distance, train_c, train_executor
from train.networks import Network, build, conv, dense, depthwise, op, pool

Samples = list[tuple[np.ndarray, np.ndarray]]

#: A layer that gradients do not pass.
STEPS = op("strided_slice", begin=[0, 0], end=[1, 4], strides=[1, 2])

MLP = Network("mlp", (1, 12), [dense(9, activation="relu"), dense(7, activation="relu"), dense(4), op("softmax")])
CNN = Network(
    "cnn", (1, 8, 8, 2),
    [conv(4, (3, 3), activation="relu"), depthwise((3, 3), activation="relu6"), pool("max", (2, 2)), op("reshape"),
     dense(4), op("softmax")],
)  # fmt: skip


def stream(network: Network, count: int, seed: int = 0) -> Samples:
    """A task that can be learnt: every class has a mean of its own."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(4, *network.input))
    labels = rng.integers(0, 4, count)
    return [
        ((means[c] + 0.3 * rng.normal(size=network.input)).astype(np.float32), np.array([c], np.int32)) for c in labels
    ]


def trainer(network: Network, spec: str = "all", rate: float = 0.05) -> Graph:
    return make_training_graph(build(network), parse_spec(spec), rate=rate)


@pytest.mark.parametrize("network", [MLP, CNN], ids=lambda n: n.name)
def test_a_run_in_c_follows_the_executor_and_learns(network: Network, tmp_path: Path) -> None:
    graph, samples = trainer(network), stream(network, 60)
    want, got = train_executor(graph, samples), train_c(graph, samples, tmp_path)
    assert not got.skipped.any()
    assert distance(got.losses, want.losses) < 1e-4
    assert all(distance(got.weights[k], want.weights[k]) < 1e-4 for k in want.weights)
    assert got.losses[-20:].mean() < 0.5 * got.losses[:20].mean()


def test_the_prediction_is_that_before_the_update(tmp_path: Path) -> None:
    graph, samples = trainer(MLP), stream(MLP, 3)
    found = train_c(graph, samples, tmp_path)
    before = Executor(build(MLP)).run({"x": samples[0][0]})
    assert distance(found.predictions[0], next(iter(before.values()))) < 1e-6


def test_the_same_run_gives_the_same_bits(tmp_path: Path) -> None:
    graph, samples = trainer(CNN), stream(CNN, 10)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    a, b = train_c(graph, samples, tmp_path / "a"), train_c(graph, samples, tmp_path / "b")
    assert a.losses.tobytes() == b.losses.tobytes()
    assert all(a.weights[k].tobytes() == b.weights[k].tobytes() for k in a.weights)


@pytest.mark.parametrize(
    ("spec", "trained"),
    [
        ("all", ["w0", "b0", "w1", "b1", "w2", "b2"]),
        ("head", ["w2", "b2"]),
        ("last:2", ["w1", "b1", "w2", "b2"]),
        ("bias", ["b0", "b1", "b2"]),
        ("layers=fully_connected0+fully_connected2", ["w0", "b0", "w2", "b2"]),
    ],
)
def test_what_is_not_trained_stays_a_constant(spec: str, trained: list[str]) -> None:
    graph = trainer(MLP, spec)
    assert graph.training is not None
    assert list(graph.training.trained) == trained
    frozen = {f"{k}{i}" for k in "wb" for i in range(3)} - set(trained)
    assert all(graph.tensors[n].is_constant for n in frozen)
    written = {n for o in graph.ops for n in o.outputs if n in trained}
    assert written == set(trained)


def test_frozen_layers_cost_no_backward_pass() -> None:
    head = trainer(MLP, "head")
    assert [o.type for o in head.ops] == [
        "fully_connected", "fully_connected", "fully_connected", "softmax", "softmax_cross_entropy", "step_size",
        "fully_connected_update", "bias_update",
    ]  # fmt: skip
    plan = make_plan(head, HOST, fuse=False)
    assert plan.arena_bytes < make_plan(trainer(MLP), HOST, fuse=False).arena_bytes


def test_no_weight_gradient_exists_whole() -> None:
    plan = make_plan(trainer(CNN), HOST, fuse=False)
    weights = {b.bytes for b in plan.buffers.values() if b.kind == "variable" and b.bytes > 64}
    others = [b for b in plan.buffers.values() if b.name.split(".")[0] in ("w0", "w1", "w4") and b.kind != "variable"]
    assert weights
    assert all(b.bytes <= 4 for b in others)  # the counts of updates left out


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("network", [MLP, CNN], ids=lambda n: n.name)
def test_what_is_not_finite_never_reaches_a_weight(network: Network, poison: float, tmp_path: Path) -> None:
    graph, samples = trainer(network), stream(network, 4)
    bad = samples[2][0].copy()
    bad.reshape(-1)[5] = poison
    clean = train_c(graph, [*samples[:2], samples[3]], tmp_path)
    found = train_c(graph, [*samples[:2], (bad, samples[2][1]), samples[3]], tmp_path)
    assert found.skipped.tolist()[:2] == [0, 0]
    assert found.skipped[2] > 0
    assert found.skipped[3] == 0
    assert all(np.isfinite(w).all() for w in found.weights.values())
    if found.skipped[2] > len(found.weights):  # the loss was not finite: the step changed nothing
        assert all(clean.weights[k].tobytes() == found.weights[k].tobytes() for k in clean.weights)


def test_an_update_left_out_leaves_out_the_earlier_layers(tmp_path: Path) -> None:
    """The last layer's own input is fine, the first layer's input is too large: only the first layer is left out."""
    graph = trainer(MLP, rate=1e-3)
    x = np.full((1, 12), 1e30, np.float32)
    want = train_executor(graph, [(x, np.array([1], np.int32))])
    got = train_c(graph, [(x, np.array([1], np.int32))], tmp_path)
    assert want.skipped.tolist() == got.skipped.tolist()
    assert got.skipped[0] > 0
    assert all(np.isfinite(w).all() for w in got.weights.values())


@pytest.mark.parametrize("label", [-1, 4, 2**31 - 1, -(2**31)])
def test_a_label_that_is_no_class_changes_nothing(label: int, tmp_path: Path) -> None:
    graph = trainer(MLP)
    found = train_c(graph, [(stream(MLP, 1)[0][0], np.array([label], np.int32))], tmp_path)
    assert np.isnan(found.losses[0])
    assert found.skipped[0] == 1 + 6  # the loss itself and every update
    assert all(found.weights[k].tobytes() == MLP.arrays[k].tobytes() for k in found.weights)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("", "does not say"), ("tail", "does not say"), ("last:0", "does not say"), ("last:x", "does not say"),
        ("layers=", "does not say"), ("all,dtype=f64", "dtype=f64"), ("all,optimizer=lion", "optimizer=lion"),
        ("all,batch=0", "batch=0"), ("all,batch=1.5", "batch"), ("all,momentum=0.5", "optimizer=momentum"),
        ("all,clip=-1", "clip"), ("all,clip=nan", "clip"), ("all,weight_decay=2", "weight_decay"),
        ("all,loss_scale=2", "dtype=f16"), ("all,rounding=master", "dtype=f16"),
        ("all,dtype=f16,loss_scale=3", "loss_scale"), ("all,dtype=f16,rounding=up", "rounding"),
        ("all,loss=hinge", "loss=hinge"), ("all,replay=0", "replay=0"), ("all,loss", "no key=value"),
        ("all,loss=mse,loss=mse", "twice"), ("missing.toml", "cannot be read"),
    ],
)  # fmt: skip
def test_requests_that_are_not_understood(spec: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_spec(spec)


def test_a_request_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    file.write_text('what = "last:2"\nloss = "mse"\n')
    assert parse_spec(str(file)) == parse_spec("last:2,loss=mse")


@pytest.mark.parametrize(
    ("layers", "spec", "error", "words"),
    [
        ([dense(4), STEPS, dense(3)], "all", UnsupportedModelError, "strides are"),
        ([dense(4)], "last:2", UsageError, "last:2 of 1"),
        ([dense(4)], "layers=nothing", UsageError, "nothing"),
        ([dense(4, bias=False)], "bias", UnsupportedModelError, "nothing that could be trained"),
        ([dense(1)], "all,loss=softmax_cross_entropy", UnsupportedModelError, "two classes"),
    ],
)
def test_networks_that_cannot_be_trained(
    layers: list[dict[str, object]], spec: str, error: type[McuGenError], words: str
) -> None:
    with pytest.raises(error, match=words):
        make_training_graph(build(Network("refused", (1, 6), layers, "mse")), parse_spec(spec))
