"""Optimizers, batches, clipping and weight decay: the generated C and the executor follow Keras 3."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mcu_gen.graph import Graph
from mcu_gen.plan.planner import make_plan
from mcu_gen.train import make_training_graph, parse_spec
from support.training import HOST, Run, distance, train_c, train_executor
from train.keras_runs import RATE, RUNS, SIZES, STEPS
from train.networks import Network, build, conv, dense, op

#: Largest relative L2 distance of the weights after the run.
TOLERANCE = 1e-5

LAYERS = [dense(SIZES[1], activation="relu"), dense(SIZES[2], activation="relu"), dense(SIZES[3]), op("softmax")]

Samples = list[tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "keras_runs.npz") as file:
        return dict(file)


def network(reference: dict[str, np.ndarray]) -> Network:
    arrays = {k: v for k, v in reference.items() if k[0] in "wb" and "/" not in k}
    return Network("keras", (1, SIZES[0]), LAYERS, arrays=dict(arrays))


def trainer(reference: dict[str, np.ndarray], spec: str, rate: float = RATE) -> Graph:
    return make_training_graph(build(network(reference)), parse_spec(spec), rate=rate)


def samples(reference: dict[str, np.ndarray]) -> Samples:
    return [(reference["x"][i : i + 1], reference["y"][i : i + 1]) for i in range(STEPS)]


def check(run: Run, want: dict[str, np.ndarray], name: str) -> None:
    assert not run.skipped.any()
    far = {k: distance(w, want[f"{name}/{k}"]) for k, w in run.weights.items()}
    assert max(far.values()) <= TOLERANCE, far
    assert max(distance(w, want[k]) for k, w in run.weights.items()) > 100 * TOLERANCE, "nothing was learnt"


@pytest.mark.parametrize("spec", RUNS)
def test_weights_are_those_of_keras(spec: str, reference: dict[str, np.ndarray], tmp_path: Path) -> None:
    graph = trainer(reference, spec)
    check(train_executor(graph, samples(reference)), reference, spec)
    check(train_c(graph, samples(reference), tmp_path), reference, spec)


@pytest.mark.parametrize(
    ("spec", "mode"),
    [("all", "immediate"), ("all,weight_decay=0.1", "immediate"), ("all,batch=2", "accumulate"),
     ("all,clip=1", "accumulate"), ("all,optimizer=momentum", "accumulate"), ("all,optimizer=adam", "accumulate")],
)  # fmt: skip
def test_the_mode_follows_from_the_request(spec: str, mode: str, reference: dict[str, np.ndarray]) -> None:
    graph = trainer(reference, spec)
    assert graph.training is not None
    assert graph.training.mode == mode
    sums = {n for n in graph.training.state if n.endswith(".gradient")}
    assert sums == ({f"{n}.gradient" for n in graph.training.trained} if mode == "accumulate" else set())


def test_optimizer_state_is_what_each_optimizer_needs(reference: dict[str, np.ndarray]) -> None:
    weights = sum(a * b + b for a, b in pairwise(SIZES))
    for spec, copies in (("batch=2", 1), ("optimizer=momentum", 2), ("optimizer=adam", 3)):
        graph = trainer(reference, f"all,{spec}")
        assert graph.training is not None
        state = sum(graph.tensors[n].elements for n in graph.training.state)
        assert copies * weights <= state <= copies * weights + 4


def test_weights_change_at_the_end_of_a_batch_only(reference: dict[str, np.ndarray], tmp_path: Path) -> None:
    graph = trainer(reference, "all,batch=4")
    for steps, changed in ((3, False), (4, True), (7, True)):
        (tmp_path / str(steps)).mkdir()
        run = train_c(graph, samples(reference)[:steps], tmp_path / str(steps))
        first = {k: reference[k] for k in run.weights}
        assert any(run.weights[k].tobytes() != first[k].tobytes() for k in first) is changed
    four = train_executor(graph, samples(reference)[:4])
    seven = train_executor(graph, samples(reference)[:7])
    assert all(np.array_equal(four.weights[k], seven.weights[k]) for k in four.weights)


def test_a_sample_that_overflows_spoils_its_batch_and_no_other(
    reference: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """The first layer's gradient is too large for a sample: the batch is dropped, the next one starts from zero."""
    good = samples(reference)
    graph = trainer(reference, "all,batch=2", rate=1e-3)
    x = np.full((1, SIZES[0]), 1e30, np.float32)
    wrong = (int(train_executor(graph, [(x, good[0][1])]).predictions[0].argmax()) + 1) % SIZES[-1]
    huge = (x, np.array([wrong], np.int32))
    run = train_c(graph, [good[0], huge, good[1], good[2]], tmp_path)
    count = len(run.weights)
    assert run.skipped.tolist() == [0, count, 0, 0]
    want = train_executor(graph, good[1:3])
    assert max(distance(run.weights[k], want.weights[k]) for k in want.weights) < 1e-6


@pytest.mark.parametrize("label", [-1, 4])
def test_a_sample_without_a_class_does_not_count(label: int, reference: dict[str, np.ndarray], tmp_path: Path) -> None:
    good = samples(reference)
    bad = (good[3][0], np.array([label], np.int32))
    graph = trainer(reference, "all,batch=2,optimizer=momentum")
    run = train_c(graph, [good[0], bad, good[1]], tmp_path)
    assert run.skipped.tolist() == [0, 1, 0]
    want = train_executor(graph, good[:2])
    assert max(distance(run.weights[k], want.weights[k]) for k in want.weights) < 1e-6


@pytest.mark.parametrize("rate", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize("spec", ["all", "all,batch=1,clip=5", "all,optimizer=adam", "all,optimizer=momentum"])
def test_a_rate_without_bounds_updates_nothing(
    spec: str, rate: float, reference: dict[str, np.ndarray], tmp_path: Path
) -> None:
    run = train_c(trainer(reference, spec, rate=rate), samples(reference)[:2], tmp_path)
    assert (run.skipped == len(run.weights)).all()
    assert all(w.tobytes() == reference[k].tobytes() for k, w in run.weights.items())


def test_the_plan_holds_the_state_and_nothing_twice(reference: dict[str, np.ndarray]) -> None:
    """Adam on 16 filters: weights, sums and two moments lie in the arena once; zeros need no copy in flash."""
    net = Network("adam", (1, 6, 6, 4), [conv(16, (3, 3), activation="relu"), op("reshape"), dense(4), op("softmax")])
    plain = make_plan(make_training_graph(build(net), parse_spec("all")), HOST, fuse=False)
    adam = make_plan(make_training_graph(build(net), parse_spec("all,optimizer=adam")), HOST, fuse=False)
    weights = sum(b.bytes for b in plain.buffers.values() if b.name in ("w0", "b0", "w2", "b2"))
    assert 3 * weights <= adam.arena_bytes - plain.arena_bytes <= 3 * weights + 256
    assert adam.constant_bytes - plain.constant_bytes <= 64
