"""int8 networks whose tail is trained: the integers in front of the seam, the real numbers behind it.

The oracle of both is LiteRT's ``BUILTIN_REF`` on the int8 model: in front of the seam the bits are equal, behind it the
numbers are those that its codes stand for.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mcu_gen.errors import McuGenError, UnsupportedModelError
from mcu_gen.graph import DType, Executor, Graph
from mcu_gen.passes import run_passes
from mcu_gen.plan.planner import make_plan
from mcu_gen.train import make_training_graph, parse_spec
from mcu_gen.train.seam import float_suffix, is_quantized, suffix
from quantize.models import batch_normalized, classifier, every_operator
from support.integer_networks import Integer, alone_off, codes_of, load, quantized, real_values, steps_off
from support.small_models import int8_network
from support.tflite_builder import ModelBuilder
from support.three_way import Case, prepare, random_samples
from support.training import HOST, distance, train_c, train_executor
from train.networks import Network, build, conv, dense, depthwise, op, pool
from train.oracle import interpreter, tape_gradients

TABLES = sorted(p.stem for p in (Path(__file__).parents[1] / "ops").glob("cases_*.py"))

#: Cases whose codes do not stand for real numbers, or whose sums leave int32: what LiteRT makes of them is no number.
NO_NUMBERS = {
    "int8 large bias": "the sum wraps around",
    "s8 large bias": "the sum wraps around",
    "s8 far sums, factor 16": "the sum wraps around",
    "s8 far sums, factor 1000": "the sum wraps around",
    "int8 scales (300.0, 400.0, 0.01) (0, 0, 0)": "the product wraps around",
    "int8 scales (300.0, 400.0, 0.01) (-128, 127, -128)": "the product wraps around",
    "int8 all pairs": "codes of different scales are compared",
    "zero point of the output": "it pads with another zero point than its input's",
    "other scale": "codes get another scale",
    "constant input": "codes get another scale",
}

#: Tables whose int16 operators are looked at too: the others compute functions from coarse tables.
INT16 = {
    "average_pool2d", "concatenation", "conv2d", "depthwise_conv2d", "fully_connected", "max_pool2d", "mean", "pad",
}  # fmt: skip

#: Steps by which LiteRT's own operators miss the real number, beyond the rounding of their output.
COARSE = {"cases_resize_bilinear": 3.001, "cases_conv2d": 1.3, "cases_depthwise_conv2d": 1.3}


def _cases(quick: bool) -> list[Case]:
    """The operators of all tables that LiteRT gives a number for."""
    found = []
    for table in TABLES:
        cases = [c for c in importlib.import_module(f"ops.{table}").CASES if c.oracle and (c.quick or not quick)]
        found += [replace(c, name=f"{table}/{c.name}") for c in cases if c.name not in NO_NUMBERS]
    return found


@pytest.mark.parametrize("quick", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_operators_of_a_suffix_compute_the_numbers_behind_the_codes(quick: bool) -> None:
    """Every operator of the tables: its float32 form, on what the codes of its inputs stand for, is one step or less
    from the codes of LiteRT; int16 operators with weights a third more, for their multipliers have 16 bits."""
    ready, _ = prepare(_cases(quick))
    worst: dict[str, float] = {}
    for p in ready:
        graph, y = p.graph, p.graph.tensors[p.graph.outputs[0]]
        no_operator = {"quantize", "dequantize", "sum"} & {o.type for o in graph.ops}
        wide = y.dtype.size > 1 and p.case.name.split("/")[0].removeprefix("cases_") not in INT16
        if graph.variables() or no_operator or not is_quantized(y) or wide:
            continue
        changed, _ = float_suffix(graph, graph.inputs)
        assert all(changed.tensors[n].dtype is DType.FLOAT32 for n in graph.outputs)
        for sample, want in zip(p.samples, p.expected, strict=True):
            got = Executor(changed).run(dict(zip(graph.inputs, sample, strict=True)))
            for name, codes in zip(graph.outputs, want, strict=True):
                off = steps_off(graph.tensors[name], codes, got[name])
                worst[p.case.name] = max(worst.get(p.case.name, 0.0), float(off.max(initial=0.0)))
    assert not {n: w for n, w in worst.items() if w > COARSE.get(n.split("/")[0], 1.001)}
    assert len(worst) > (60 if quick else 800)


MODELS = {
    "classifier": lambda: quantized(classifier()),
    "classifier, per tensor": lambda: quantized(classifier(), per_channel=False),
    "classifier, float input": lambda: quantized(classifier(), io="float"),
    "batch norm": lambda: quantized(batch_normalized()),
    "every operator": lambda: quantized(every_operator()),
    "every operator, per tensor": lambda: quantized(every_operator(), per_channel=False),
    "random weights": lambda: _random(int8_network().build()),
}


def _random(model: bytes) -> Integer:
    made = load(model, [])
    made.samples = random_samples(made.graph, "seam")
    return made


@pytest.mark.parametrize("name", MODELS)
def test_bits_in_front_of_the_seam_and_numbers_behind_it(name: str) -> None:
    """Wherever training begins: every tensor in front has LiteRT's bits; every operator behind is within one step of
    LiteRT's codes on the same inputs; the outputs, where all roundings add up, within a few."""
    made = MODELS[name]()
    graph, reference = made.graph, made.reference()
    for layer in made.layers():
        changed, _ = float_suffix(graph, [n for n in layer.inputs[1:3] if n is not None])
        inside = suffix(graph, layer.inputs[1:2])
        behind = {n for o in graph.ops if o.name in inside for n in o.outputs}
        for sample, theirs in zip(made.samples, reference, strict=True):
            ours = Executor(changed).run(dict(zip(graph.inputs, sample, strict=True)), keep=True)
            for t in (graph.tensors[n] for n in theirs if n in ours and n in graph.tensors):
                if t.name not in behind:
                    assert np.array_equal(ours[t.name], theirs[t.name]), f"{layer.name}: {t.name}"
                elif t.name in graph.outputs:
                    codes = codes_of(graph, t)
                    off = steps_off(codes, theirs[codes.name], ours[t.name])
                    assert off.mean() < 3, f"{layer.name}: {t.name}"
                    assert off.max() < 10, f"{layer.name}: {t.name}"
            assert alone_off(graph, changed, inside, theirs, ours) < 1.001, layer.name


@pytest.mark.parametrize("what", ["fused", "separate"])
def test_a_rectifier_that_int8_gets_from_its_lowest_code_is_kept(what: str) -> None:
    """With zero point -128 nothing lies below 0, so int8 needs no clamp; real numbers do."""
    b = ModelBuilder().tensor("x", (1, 4), "int8", scale=0.1, zero_point=0)
    b.tensor("w", (3, 4), "int8", data=np.arange(12).reshape(3, 4) * 20 - 110, scale=0.01)
    b.tensor("y", (1, 3), "int8", scale=0.1, zero_point=-128)
    if what == "fused":
        b.op("FULLY_CONNECTED", ["x", "w"], ["y"], options={"fused_activation_function": "relu"})
    else:
        b.tensor("sums", (1, 3), "int8", scale=0.1, zero_point=-128)
        b.op("FULLY_CONNECTED", ["x", "w"], ["sums"]).op("RELU", ["sums"], ["y"])
    made = load(b.inputs(["x"]).outputs(["y"]).build(), [])
    changed, _ = float_suffix(made.graph, ["w"])
    x = np.full((1, 4), 100, np.int8)
    got = Executor(changed).run({"x": x})["y"]
    assert got.min() == 0.0
    assert got.max() > 0.0


def test_a_float_network_stays_as_it_is() -> None:
    graph = build(Network("plain", (1, 6), [dense(4, activation="relu"), dense(3), op("softmax")]))
    changed, notes = float_suffix(graph, ["w0"])
    assert changed is graph
    assert notes == ()


CNN = Network(
    "cnn", (1, 8, 8, 3),
    [conv(6, (3, 3), activation="relu"), depthwise((3, 3), activation="relu6"), pool("max", (2, 2)),
     conv(8, (1, 1), activation="relu"), pool("average", (2, 2)), op("reshape"), dense(10, activation="relu"),
     dense(5), op("softmax")],
)  # fmt: skip
STRIDED = Network(
    "strided", (1, 9, 8, 2),
    [conv(5, (3, 2), stride=(2, 3), activation="relu6"), conv(8, (2, 2), groups=1, padding="valid"),
     depthwise((2, 2), multiplier=2), op("mean"), dense(4), op("softmax")],
)  # fmt: skip
REGRESSION = Network(
    "regression", (1, 16), [dense(9, activation="relu"), dense(6, activation="relu"), dense(16)], "mse"
)
RESIDUAL = Network(
    "residual", (1, 6, 6, 3),
    [conv(4, (3, 3), activation="relu"), conv(4, (3, 3)), op("add", **{"with": 0, "activation": "relu"}),
     conv(4, (1, 1)), op("add", **{"with": 2}), op("reshape"), dense(5), op("softmax")],
)  # fmt: skip
NETWORKS = [CNN, STRIDED, REGRESSION, RESIDUAL]
SPECS = ["head", "last:2", "bias", "all"]

Samples = list[tuple[np.ndarray, np.ndarray]]


def labelled(made: Integer, network: Network) -> Samples:
    """The samples of a network with labels."""
    rng = np.random.default_rng(1)
    shape = made.graph.tensors[made.graph.outputs[0]].shape
    if network.loss == "mse":
        return [(s[0], rng.normal(size=shape).astype(np.float32)) for s in made.samples]
    return [(s[0], rng.integers(0, shape[-1], 1).astype(np.int32)) for s in made.samples]


@pytest.mark.parametrize(
    ("network", "spec"), [*((CNN, s) for s in SPECS), *((n, s) for n in NETWORKS[1:] for s in ("last:2", "all"))],
    ids=lambda v: v.name if isinstance(v, Network) else v,
)  # fmt: skip
def test_generated_c_trains_as_the_executor(network: Network, spec: str, tmp_path: Path) -> None:
    made = quantized(build(network))
    graph = make_training_graph(made.graph, parse_spec(f"{spec},loss={network.loss}"), rate=0.05)
    samples = labelled(made, network)
    want, got = train_executor(graph, samples), train_c(graph, samples, tmp_path)
    assert not got.skipped.any()
    assert distance(got.losses, want.losses) < 1e-5
    assert distance(got.predictions, want.predictions) < 1e-5
    assert all(distance(got.weights[k], want.weights[k]) < 1e-5 for k in want.weights)
    first = {k: t.initial for k, t in graph.tensors.items() if t.initial is not None}
    assert all(not np.array_equal(got.weights[k], first[k]) for k in got.weights)


def float_tail(changed: Graph) -> Graph:
    """The part of a graph that computes in float32, as a network of its own."""
    tail = changed.copy()
    tail.inputs = [o.outputs[0] for o in changed.ops if o.type == "dequantize"]
    tail.ops = [o for o in changed.ops if changed.tensors[o.inputs[0] or ""].dtype is DType.FLOAT32]
    return tail.prune()


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n.name)
def test_training_behind_the_seam_is_that_of_the_float_network_there(network: Network, spec: str) -> None:
    """One step of the whole network gives the very weights that one step of the tail, a float network for which
    ``test_gradients`` holds, gives on LiteRT's activations at the seam."""
    made = quantized(build(network))
    parsed = parse_spec(f"{spec},loss={network.loss}")
    graph = make_training_graph(made.graph, parsed, rate=0.5)
    assert graph.training is not None
    names = list(graph.training.trained)
    changed, _ = float_suffix(made.graph, names)
    tail = float_tail(changed)
    layers = [o.name for o in tail.ops if set(o.inputs[1:3]) & set(names)]
    only = "bias" if spec == "bias" else "layers=" + "+".join(layers)
    trained = make_training_graph(tail, parse_spec(f"{only},loss={network.loss}"), rate=0.5)
    assert trained.training is not None
    codes = {o.outputs[0]: made.graph.tensors[o.inputs[0] or ""] for o in changed.ops if o.type == "dequantize"}
    for (x, label), theirs in zip(labelled(made, network), made.reference(), strict=True):
        whole, part = Executor(graph), Executor(trained)
        loss = whole.run({made.graph.inputs[0]: x, graph.training.label: label})[graph.training.loss]
        seam = {n: real_values(t, theirs.get(t.name, x)).astype(np.float32) for n, t in codes.items()}
        alone = part.run({**seam, trained.training.label: label})[trained.training.loss]
        assert loss.tobytes() == alone.tobytes()
        assert all(whole.state[n].tobytes() == part.state[n].tobytes() for n in names)


@pytest.mark.skipif(interpreter() is None, reason="no TensorFlow here, and MCU_GEN_TENSORFLOW names no Python with it")
def test_gradients_behind_the_seam_are_tensorflows(tmp_path: Path) -> None:
    """The gradients of every layer from each layer on, at what LiteRT computes in front of it."""
    rate = 2.0**20
    runs: list[tuple[Network, Graph, tuple[np.ndarray, np.ndarray]]] = []
    for network in NETWORKS:
        made = quantized(build(network))
        label, theirs = labelled(made, network)[0], made.reference()[0]
        chain = all(layer["op"] != "add" for layer in network.layers)
        begins = [i for i, layer in enumerate(network.layers) if "channels" in layer or layer["op"].startswith("depth")]
        for first in begins if chain else [0]:
            trained = [f"{layer['op']}{i}" for i, layer in enumerate(network.layers) if i in begins and i >= first]
            spec = parse_spec(f"layers={'+'.join(trained)},loss={network.loss}")
            graph = make_training_graph(made.graph, spec, rate=rate)
            seam = made.graph.node(next(o for o in made.graph.ops if o.name == trained[0])).x
            arrays = {"x": real_values(seam, theirs.get(seam.name, label[0])).astype(np.float32), "label": label[1]}
            for i in (i for i in begins if i >= first):
                layer = next(o for o in made.graph.ops if o.name == f"{network.layers[i]['op']}{i}")
                w, b = (graph.tensors[n].initial for n in layer.inputs[1:3] if n is not None)
                assert w is not None
                assert b is not None
                arrays |= {f"w{i - first}": w, f"b{i - first}": b}
            name = f"{network.name} from {first}"
            runs.append((Network(name, seam.shape, network.layers[first:], network.loss, arrays), graph, label))
    python = interpreter()
    assert python is not None
    reference = tape_gradients([r[0] for r in runs], python, tmp_path)
    for network, graph, sample in runs:
        found = train_executor(graph, [sample])
        assert graph.training is not None
        assert found.losses[0] == pytest.approx(float(reference[f"{network.name}/loss"]), rel=1e-5)
        before = [graph.tensors[n].initial for n in graph.training.trained]
        keys = sorted((k for k in network.arrays if k[0] in "wb"), key=lambda k: (int(k[1:]), k[0] == "b"))
        for key, w, after in zip(keys, before, found.weights.values(), strict=True):
            assert w is not None
            gradient = (w.astype(np.float64) - after) / rate
            assert distance(gradient, reference[f"{network.name}/grad/{key}"]) < 1e-5, f"{network.name}: {key}"


def test_what_is_not_trained_keeps_its_kernels() -> None:
    made = quantized(build(CNN))
    plain = {s.node.name: s.kernel.name for s in make_plan(made.graph, HOST).steps}
    plan = make_plan(make_training_graph(made.graph, parse_spec("head")), HOST, fuse=False)
    kernels = {s.node.name: s.kernel.name for s in plan.steps}
    front = [n for n in plain if n not in ("fully_connected7", "softmax8")]
    assert len(front) == len(plain) - 2
    assert all(kernels[n] == plain[n] for n in front)
    assert kernels["fully_connected7"] == "fully_connected_f32"
    assert any("output softmax8 is float32 instead of int8" in note for note in plan.notes)


def test_the_backward_pass_keeps_integers() -> None:
    """What an update reads of the seam is dequantized again: no large float32 twin waits for the backward pass."""
    wide = Network("wide", (1, 12, 12, 16), [conv(16, (1, 1), activation="relu"), op("mean"), dense(4), op("softmax")])
    plan = make_plan(make_training_graph(quantized(build(wide)).graph, parse_spec("all")), HOST, fuse=False)
    first = plan.inference_steps
    twins = [b for b in plan.buffers.values() if ".real" in b.name and b.bytes == 12 * 12 * 16 * 4]
    assert len(twins) == 2
    assert all(b.last < first or b.first >= first for b in twins)


@pytest.mark.parametrize(
    ("models", "spec", "words"),
    [
        ("state", "head", "variable"),
        ("integers behind", "head", "int32"),
        ("two outputs", "head", "2 outputs"),
    ],
)
def test_networks_that_are_refused(models: str, spec: str, words: str) -> None:
    b = ModelBuilder().tensor("x", (1, 4), "int8", scale=0.1)
    b.tensor("w", (3, 4), "int8", data=np.ones((3, 4)), scale=0.01).tensor("y", (1, 3), "int8", scale=0.1)
    b.op("FULLY_CONNECTED", ["x", "w"], ["y"]).inputs(["x"]).outputs(["y"])
    if models == "state":
        b.tensor("s", (1, 3), "int8", scale=0.1, variable=True).tensor("z", (1, 3), "int8", scale=0.1)
        b.op("ADD", ["y", "s"], ["z"]).outputs(["z"])
    elif models == "integers behind":
        b.tensor("axis", (), "int32", data=1).tensor("z", (1,), "int32")
        b.op("ARG_MAX", ["y", "axis"], ["z"], options={"output_type": "int32"}).outputs(["z"])
    else:
        b.tensor("z", (1, 3), "int8", scale=0.1).op("RELU", ["y"], ["z"]).outputs(["y", "z"])
    with pytest.raises(UnsupportedModelError) as caught:
        make_training_graph(run_passes(load(b.build(), []).graph), parse_spec(spec))
    assert words in " ".join([str(caught.value), *map(str, getattr(caught.value, "reasons", []))])
    assert isinstance(caught.value, McuGenError)
