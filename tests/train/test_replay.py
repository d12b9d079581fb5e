"""The replay buffer: what it keeps, what is trained on it, and that it helps against forgetting."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mcu_gen.errors import UsageError
from mcu_gen.graph import DType, Executor, Graph, Node, Op, Tensor, operator
from mcu_gen.ops.replay import SEED, initial_state
from mcu_gen.plan.describe import plan_data
from mcu_gen.plan.planner import make_plan
from mcu_gen.train import make_training_graph, parse_spec
from mcu_gen.train.seam import float_suffix
from support.integer_networks import Integer, quantized, real_values
from support.training import HOST, distance, train_c, train_executor
from train.networks import Network, build, conv, dense, op
from train.test_seam import CNN, REGRESSION, RESIDUAL, float_tail

Samples = list[tuple[np.ndarray, np.ndarray]]

#: Two branches, of which one is trained: two tensors cross the seam.
TWO = Network(
    "two", (1, 6, 6, 3),
    [conv(4, (3, 3), activation="relu"), conv(4, (3, 3)), conv(4, (1, 1), **{"from": 0}), op("add", **{"with": 1}),
     op("reshape"), dense(5), op("softmax")],
)  # fmt: skip

#: Trained parts with one tensor at the seam, with two, and with the input there; classes and numbers as labels.
CASES = [
    (CNN, "head", 3, 1), (CNN, "last:2", 4, 2), (TWO, "layers=conv2d2+fully_connected5", 2, 1),
    (RESIDUAL, "layers=conv2d1+fully_connected6", 3, 1), (REGRESSION, "last:2", 3, 1), (CNN, "all", 2, 1),
    (CNN, "bias", 2, 3),
]  # fmt: skip
NAMES = [f"{n.name} {s} {k}x{r}" for n, s, k, r in CASES]


class Xorshift:
    """Marsaglia's generator with the shifts 13, 17, 5; numbers below n from the upper bits of a product."""

    def __init__(self, state: int = SEED) -> None:
        self.state = state

    def below(self, n: int) -> int:
        x = self.state
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        self.state = x
        return (x * n) >> 32


def stream(made: Integer, network: Network, count: int) -> Samples:
    rng = np.random.default_rng(7)
    y = made.graph.tensors[made.graph.outputs[0]].shape
    found = []
    for i in range(count):
        target = rng.normal(size=y).astype(np.float32)
        label = target if network.loss == "mse" else rng.integers(0, y[-1], 1).astype(np.int32)
        found.append((made.samples[i % len(made.samples)][0], label))
    return found


def spec_of(network: Network, what: str, samples: int, steps: int) -> str:
    return f"{what},loss={network.loss},replay={samples},replay_steps={steps}"


@pytest.mark.parametrize(("network", "what", "samples", "steps"), CASES, ids=NAMES)
def test_a_step_trains_on_the_new_sample_and_then_on_stored_ones(
    network: Network, what: str, samples: int, steps: int
) -> None:
    """The same run by hand: steps of the plain network, and of its trained tail on what LiteRT computes at the seam of
    samples that are drawn and kept as the papers say.  All weights, losses and predictions have the same bits."""
    made = quantized(build(network), count=5)
    data = stream(made, network, 14)
    graph = make_training_graph(made.graph, parse_spec(spec_of(network, what, samples, steps)), rate=0.05)
    plain = make_training_graph(made.graph, parse_spec(f"{what},loss={network.loss}"), rate=0.05)
    assert graph.training is not None
    assert plain.training is not None
    trained = list(plain.training.trained)
    changed, _ = float_suffix(made.graph, trained)
    tail = float_tail(changed)
    only = (
        "bias" if what == "bias" else "layers=" + "+".join(o.name for o in tail.ops if set(o.inputs[1:3]) & {*trained})
    )
    again = make_training_graph(tail, parse_spec(f"{only},loss={network.loss}"), rate=0.05)
    assert again.training is not None
    seam = {o.outputs[0]: made.graph.tensors[o.inputs[0] or ""] for o in changed.ops if o.type == "dequantize"}
    theirs = made.reference()
    whole, first, second = Executor(graph), Executor(plain), Executor(again)
    chance, kept, seen = Xorshift(), list[tuple[int, np.ndarray]](), 0
    for i, (x, label) in enumerate(data):
        ours = whole.run({graph.inference_inputs[0]: x, graph.training.label: label})
        want = first.run({plain.inference_inputs[0]: x, plain.training.label: label})
        for name in (plain.outputs[0], plain.training.loss, plain.training.skipped):
            assert ours[name].tobytes() == want[name].tobytes()
        for _ in range(steps if kept else 0):
            at, stored = kept[chance.below(len(kept))]
            values = {n: theirs[at].get(t.name, made.samples[at][0]) for n, t in seam.items()}
            reals = {n: real_values(seam[n], v).astype(np.float32) for n, v in values.items()}
            second.state.update({n: first.state[n] for n in trained})
            second.run({**reals, again.training.label: stored})
            first.state.update({n: second.state[n] for n in trained})
        seen += 1
        if len(kept) < samples:
            kept.append((i % 5, label))
        elif (slot := chance.below(seen)) < samples:
            kept[slot] = (i % 5, label)
        assert all(whole.state[n].tobytes() == first.state[n].tobytes() for n in trained)
    assert whole.state["replay.state"][0] == seen


@pytest.mark.parametrize(
    ("network", "what", "samples", "steps", "form"),
    [(CNN, "last:2", 4, 2, "int8"), (TWO, "layers=conv2d2+fully_connected5", 2, 1, "int8"),
     (REGRESSION, "last:2", 3, 1, "int8"), (TWO, "layers=conv2d2+fully_connected5", 2, 1, "float"),
     (CNN, "all", 2, 1, "float")],
    ids=lambda v: v.name if isinstance(v, Network) else None,
)  # fmt: skip
def test_generated_c_replays_as_the_executor(
    network: Network, what: str, samples: int, steps: int, form: str, tmp_path: Path
) -> None:
    made = quantized(build(network), count=5)
    data = stream(made, network, 9)
    source = made.graph
    if form == "float":
        source, data = build(network), [((x / 40).astype(np.float32), y) for x, y in data]
    graph = make_training_graph(source, parse_spec(spec_of(network, what, samples, steps)), rate=0.02)
    want, got = train_executor(graph, data), train_c(graph, data, tmp_path)
    assert not got.skipped.any()
    assert distance(got.losses, want.losses) < 1e-4
    assert distance(got.predictions, want.predictions) < 1e-4
    assert all(distance(got.weights[k], want.weights[k]) < 1e-4 for k in want.weights)


def test_the_same_run_gives_the_same_bits(tmp_path: Path) -> None:
    made = quantized(build(CNN), count=5)
    graph = make_training_graph(made.graph, parse_spec("last:2,replay=4,replay_steps=2"), rate=0.05)
    runs = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        runs.append(train_c(graph, stream(made, CNN, 12), tmp_path / name))
    assert runs[0].losses.tobytes() == runs[1].losses.tobytes()
    assert all(runs[0].weights[k].tobytes() == runs[1].weights[k].tobytes() for k in runs[0].weights)


def _node(type: str, inputs: list[np.ndarray], outputs: int, **attrs: object) -> Node:
    tensors = tuple(Tensor(f"x{i}", x.shape, DType.of(x)) for i, x in enumerate(inputs))
    made = Op("op", type, tuple(t.name for t in tensors), tuple(f"y{i}" for i in range(outputs)), attrs)
    types = operator(type).infer(Node(made, tensors, ()))
    return Node(made, tensors, tuple(Tensor(f"y{i}", t.shape, t.dtype) for i, t in enumerate(types)))


def test_every_sample_of_a_stream_stays_with_the_same_probability() -> None:
    """Reservoir sampling: of 60 samples 6 are kept, in 3,000 streams each 300 times within chance (chi-square with 59
    degrees of freedom, five standard deviations)."""
    state, none = initial_state(), np.zeros(1, np.int32)
    node = _node("replay_admit", [none, state], 2, samples=6)
    kept: Counter[int] = Counter()
    for _ in range(3000):
        state = state.copy()
        state[0] = 0
        slots = np.full(6, -1)
        for sample in range(60):
            slot, state = operator("replay_admit").evaluate(node, [none, state])
            if slot[0] >= 0:
                slots[slot[0]] = sample
        kept.update(slots.tolist())
    assert sum(kept[i] for i in range(60)) == 18_000
    chi = sum((kept[i] - 300) ** 2 / 300 for i in range(60))
    assert chi < 59 + 5 * np.sqrt(2 * 59)


def test_every_slot_is_drawn_with_the_same_probability() -> None:
    state = initial_state()
    state[0] = 5  # of eight slots five are filled
    node = _node("replay_draw", [state], 2, samples=8)
    drawn: Counter[int] = Counter()
    for _ in range(10_000):
        slot, state = operator("replay_draw").evaluate(node, [state])
        drawn[int(slot[0])] += 1
    assert sorted(drawn) == [0, 1, 2, 3, 4]
    assert sum((n - 2000) ** 2 / 2000 for n in drawn.values()) < 4 + 5 * np.sqrt(8)


@pytest.mark.parametrize("form", ["int8", "float"])
def test_what_was_not_trained_on_does_not_enter(form: str) -> None:
    """A label that is no class, or an input that is no number: the step changes neither weights nor the buffer."""
    made = quantized(build(CNN), count=5)
    graph = make_training_graph(made.graph if form == "int8" else build(CNN), parse_spec("last:2,replay=3"), rate=0.05)
    assert graph.training is not None
    x = made.samples[0][0] if form == "int8" else made.samples[0][0].astype(np.float32) / 40
    executor = Executor(graph)
    bad = [(x, np.array([5], np.int32)), (x, np.array([-1], np.int32))]
    if form == "float":
        poisoned = x.copy()
        poisoned[0, 3, 3, 0] = np.nan
        bad.append((poisoned, np.array([1], np.int32)))
    for sample, label in bad:
        before = {n: v.copy() for n, v in executor.state.items()}
        found = executor.run({graph.inference_inputs[0]: sample, graph.training.label: label})
        assert found[graph.training.skipped][0] > 0
        assert all(before[n].tobytes() == v.tobytes() for n, v in executor.state.items())
    executor.run({graph.inference_inputs[0]: x, graph.training.label: np.array([1], np.int32)})
    assert executor.state["replay.state"][0] == 1


def _kept(graph: Graph) -> dict[str, Tensor]:
    return {t.name: t for t in graph.variables() if t.name.startswith("replay.")}


@pytest.mark.parametrize(
    ("form", "what", "row"),
    [("int8", "head", 10), ("int8", "all", 192), ("float", "head", 10 + 4), ("float", "all", 192 + 4)],
)
def test_samples_take_a_byte_per_element(form: str, what: str, row: int) -> None:
    """The plan has the buffer among its variables and says its bytes: codes, scales of floats, labels, the state."""
    source = quantized(build(CNN)).graph if form == "int8" else build(CNN)
    graph = make_training_graph(source, parse_spec(f"{what},replay=32"))
    exact = ("replay.state", "replay.labels")
    assert all(t.dtype is DType.INT8 for n, t in _kept(graph).items() if n not in exact and not n.endswith(".scale"))
    data = plan_data(make_plan(graph, HOST))
    assert data["replay"] == {"samples": 32, "bytes": 32 * (row + 4) + 8, "steps": 1}
    rows = {t["name"]: t for t in data["tensors"]}
    assert all(rows[n]["kind"] == "variable" and rows[n]["bytes"] == t.bytes for n, t in _kept(graph).items())
    without = make_plan(make_training_graph(source, parse_spec(what)), HOST).arena_bytes
    assert without < data["arena_bytes"] <= without + data["replay"]["bytes"] + 16 * 4 + (row + 16) + 64


def test_codes_of_real_numbers() -> None:
    """The largest magnitude becomes 127; what comes back is at most half a step away."""
    x = np.random.default_rng(3).normal(size=(1, 50)).astype(np.float32)
    codes, scale = operator("replay_encode").evaluate(_node("replay_encode", [x], 2), [x])
    assert np.abs(codes).max() == 127
    (back,) = operator("replay_decode").evaluate(_node("replay_decode", [codes, scale], 1), [codes, scale])
    assert np.abs(back - x).max() <= 0.5001 * np.abs(x).max() / 127
    zero = np.zeros((1, 4), np.float32)
    codes, scale = operator("replay_encode").evaluate(_node("replay_encode", [zero], 2), [zero])
    assert not codes.any()
    assert scale[0] == 0


@pytest.mark.parametrize(
    ("spec", "words"),
    [("head,replay=0", "replay=0"), ("head,replay=many", "replay=many"), ("head,replay_steps=2", "goes with replay"),
     ("head,replay=8,replay_steps=17", "replay_steps=17"), ("head,replay=8,replay_steps=0", "replay_steps=0")],
)  # fmt: skip
def test_requests_that_are_not_understood(spec: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_spec(spec)
