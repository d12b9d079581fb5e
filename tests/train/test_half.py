"""float16 training: rounding bit by bit, gradients within their bound, loss scale, and what never reaches a weight."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from mcu_gen.graph import DType, Executor, Graph, Op, Tensor
from mcu_gen.ops import half
from mcu_gen.ops.loss_scale_update import PATIENCE
from mcu_gen.plan.planner import make_plan
from mcu_gen.resources import resource_dir
from mcu_gen.train import make_training_graph, parse_spec
from support.three_way import COMPILE_S, RUN_S, compiler
from support.training import HOST, distance, train_c, train_executor
from train.networks import NETWORKS, Network, build, conv, dense, depthwise, op, pool
from train.oracle import committed
from train.test_gradients import RATE, gradients

#: Largest relative L2 distance of a gradient at the layer that computes it.
TOLERANCE = 1.5e-3

CNN = Network(
    "cnn", (1, 8, 8, 2),
    [conv(4, (3, 3), activation="relu"), depthwise((3, 3), activation="relu6"), pool("max", (2, 2)), op("reshape"),
     dense(4), op("softmax")],
)  # fmt: skip

Samples = list[tuple[np.ndarray, np.ndarray]]


def trainer(network: Network, spec: str, rate: float = 0.02) -> Graph:
    return make_training_graph(build(network), parse_spec(spec), rate=rate)


def samples(network: Network, count: int) -> Samples:
    rng = np.random.default_rng(1)
    return [(rng.normal(size=network.input).astype(np.float32), rng.integers(0, 4, 1).astype(np.int32))
            for _ in range(count)]  # fmt: skip


# -- rounding ----------------------------------------------------------------------------------------------------------

_PROGRAM = """\
#include <stdio.h>
#include "scalar.h"
int main(void) {
    float x;
    uint32_t index = 0, state = 12345u;
    while (fread(&x, sizeof x, 1, stdin) == 1) {
        const uint16_t found[3] = {mg_f16_from_f32(x), mg_f16_written(x, NULL, 0), mg_f16_written(x, &state, index++)};
        const float back = mg_f32_from_f16(found[0]);
        fwrite(found, sizeof found, 1, stdout);
        fwrite(&back, sizeof back, 1, stdout);
    }
    return 0;
}
"""


def numbers() -> np.ndarray:
    """All halves, the numbers in the middle between two of them and next to it, and numbers of every size."""
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    middles = (halves[:-1] + halves[1:]) / 2
    rng = np.random.default_rng(0)
    random = np.exp2(rng.uniform(-30, 17, 20000)).astype(np.float32)
    edge = np.array([65504, 65519.99, 65520, 65536, 1e30, 3.4e38, 2.0**-24, 2.0**-25, 2.0**-26, 1e-30], np.float32)
    near = [np.nextafter(middles, np.float32(s)).astype(np.float32) for s in (0, np.inf)]
    positive = np.concatenate([halves, middles, *near, random, edge])
    return np.concatenate([positive, -positive])


def test_c_rounds_as_numpy_does(tmp_path: Path) -> None:
    """To nearest: NumPy's own conversion.  At random: the definition in ops/half.py, which the next test holds."""
    (tmp_path / "main.c").write_text(_PROGRAM)
    command = [*compiler(), "-O1", f"-I{resource_dir('firmware') / 'simd'}", str(tmp_path / "main.c"), "-lm"]
    subprocess.run([*command, "-o", str(tmp_path / "main")], check=True, timeout=COMPILE_S)
    x = numbers()
    raw = subprocess.run([str(tmp_path / "main")], input=x.tobytes(), capture_output=True, timeout=RUN_S, check=True)
    found = np.frombuffer(raw.stdout, np.dtype([("h", "<u2", 3), ("back", "<f4")]))
    with np.errstate(over="ignore"):
        nearest = x.astype(np.float16)
    assert np.array_equal(found["h"][:, 0], nearest.view(np.uint16))
    assert np.array_equal(found["back"], nearest.astype(np.float32))
    saturated = np.clip(x, -65504, 65504).astype(np.float16)
    assert np.array_equal(found["h"][:, 1], saturated.view(np.uint16))
    stochastic = half.rounded(x, "stochastic", np.array([12345], np.int32)).astype(np.float16)
    assert np.array_equal(found["h"][:, 2], stochastic.view(np.uint16))


@pytest.mark.parametrize("value", [1.0003, -0.7501, 3e-6, 1.1e-5, 6.1e-5, 1234.3, -(2.0**-24) * 0.3])
def test_stochastic_rounding_is_right_on_average(value: float) -> None:
    """Only the two neighbours come out, and their mean is the number itself (5 standard deviations)."""
    count = 40000
    x = np.full(count, value, np.float32)
    y = half.rounded(x, "stochastic", np.array([7], np.int32)).astype(np.float64)
    below, above = (np.nextafter(np.float16(value), np.float16(s), dtype=np.float16) for s in (-np.inf, np.inf))
    neighbours = {float(below), float(np.float16(value)), float(above)}
    assert set(y) <= neighbours
    assert len(set(y)) == 2
    unit = max(set(y)) - min(set(y))
    assert abs(y.mean() - float(x[0])) < 5 * unit / 2 / np.sqrt(count) + unit / 8192


def test_small_updates_survive_stochastic_rounding_alone() -> None:
    """2,000 updates of a twentieth of a unit: to nearest they vanish, at random they add up."""
    w = np.full(64, 1.0, np.float32)
    nearest, random = w.copy(), w.copy()
    seed = np.array([1], np.int32)
    change = np.float32(2.0**-10 / 20)
    for _ in range(2000):
        nearest = half.rounded(nearest + change, "nearest", None)
        random = half.rounded(random + change, "stochastic", seed)
        seed = half.next_state(seed)
    assert np.array_equal(nearest, w)
    assert abs(random.mean() - (1 + 2000 * change)) < 0.02 * 2000 * change


# -- gradients ---------------------------------------------------------------------------------------------------------


def layer(kind: str, x: np.ndarray, dy: np.ndarray, w: np.ndarray) -> tuple[Graph, Graph]:
    """The gradient with respect to the input of one layer, in float32 and in halves, as graphs of one operator."""
    graphs = []
    for dtype in (DType.FLOAT32, DType.FLOAT16):
        graph = Graph(kind)
        graph.add_tensor(Tensor("dy", dy.shape, dtype))
        graph.add_tensor(Tensor("w", w.shape, dtype, data=w.astype(dtype.numpy)))
        graph.add_tensor(Tensor("dx", x.shape, dtype))
        attrs = {"shape": x.shape, "stride_h": 1, "stride_w": 1, "dilation_h": 1, "dilation_w": 1, "padding": "same"}
        graph.ops.append(Op("dx", f"{kind}_grad_input", ("dy", "w"), ("dx",), attrs))
        graph.inputs, graph.outputs = ["dy"], ["dx"]
        graphs.append(graph)
    return graphs[0], graphs[1]


def values(shape: tuple[int, ...], seed: int, positive: bool) -> np.ndarray:
    """Numbers that are halves, zero-mean or all positive."""
    x = np.random.default_rng(seed).normal(size=shape)
    return (np.abs(x) if positive else x).astype(np.float16).astype(np.float32)


@pytest.mark.parametrize("positive", [False, True], ids=["zero mean", "positive"])
@pytest.mark.parametrize(
    ("kind", "x", "dy", "w"),
    [
        ("fully_connected", (1, 40), (1, 4096), (4096, 40)),
        ("conv2d", (1, 3, 3, 8), (1, 3, 3, 455), (455, 3, 3, 8)),
        ("depthwise_conv2d", (1, 20, 20, 4), (1, 20, 20, 4), (1, 9, 9, 4)),
    ],
    ids=["4096", "455 filters of 3x3", "9x9"],
)
def test_input_gradients_of_halves(
    kind: str, x: tuple[int, ...], dy: tuple[int, ...], w: tuple[int, ...], positive: bool
) -> None:
    """Sums of up to 4,096 products are wide: only the result is rounded.  A sum in 16 bits fails the same bound."""
    gradient, weights = values(dy, 2, positive), values(w, 3, positive) / np.float32(64)
    wide, narrow = layer(kind, np.zeros(x), gradient, weights)
    want = Executor(wide).run({"dy": gradient})["dx"].astype(np.float64)
    found = Executor(narrow).run({"dy": gradient.astype(np.float16)})["dx"]
    assert distance(found, want) <= TOLERANCE
    if kind == "fully_connected":
        total = np.zeros(x[1], np.float16)
        for k in range(dy[1]):
            total = (total + np.float16(gradient[0, k]) * weights[k].astype(np.float16)).astype(np.float16)
        assert distance(total, want) > TOLERANCE


@pytest.mark.parametrize("positive", [False, True], ids=["zero mean", "positive"])
def test_weight_gradients_of_halves_are_those_of_float32(positive: bool) -> None:
    """4,096 pixels: the sum is wide, and the master weights are float32, so nothing is lost."""
    graph = Graph("update")
    x, dy = values((1, 64, 64, 3), 1, positive), values((1, 64, 64, 2), 2, positive)
    graph.add_tensor(Tensor("dy", dy.shape, DType.FLOAT16))
    graph.add_tensor(Tensor("x", x.shape, DType.FLOAT16))
    graph.add_tensor(Tensor("w", (2, 1, 1, 3), DType.FLOAT32, variable=True))
    graph.add_tensor(Tensor("step", (2,), DType.FLOAT32, data=np.array([1, 1], np.float32)))
    graph.add_tensor(Tensor("zero", (1,), DType.INT32, data=np.zeros(1, np.int32)))
    graph.add_tensor(Tensor("skipped", (1,), DType.INT32))
    attrs = {"stride_h": 1, "stride_w": 1, "dilation_h": 1, "dilation_w": 1, "padding": "same", "rounding": "none"}
    graph.ops.append(Op("u", "conv2d_update", ("dy", "x", "w", "step", "zero"), ("w", "skipped"), attrs))
    graph.inputs, graph.outputs = ["dy", "x"], ["skipped"]
    executor = Executor(graph)
    executor.run({"dy": dy.astype(np.float16), "x": x.astype(np.float16)})
    want = np.einsum("nhwo,nhwc->oc", dy.astype(np.float64), x.astype(np.float64)).reshape(2, 1, 1, 3)
    assert distance(executor.state["w"], want) <= 1e-5


#: One network's numbers lie near 1e-7 on purpose, where halves have one or two digits.
HALF_NETWORKS = [n for n in NETWORKS if n.name != "norms near their least value"]


@pytest.mark.parametrize("name", [n.name for n in HALF_NETWORKS])
def test_whole_networks_stay_close_to_tensorflow(name: str, tmp_path: Path) -> None:
    """Halves all along the way, forward and backward: C = executor, and at most a few roundings from TensorFlow."""
    networks, reference = committed()
    network = next(n for n in networks if n.name == name)
    spec = f"all,loss={network.loss},dtype=f16,loss_scale=64"
    graph = make_training_graph(build(network), parse_spec(spec), rate=RATE)
    step = [(network.arrays["x"], network.arrays["label"])]
    for run in (train_executor(graph, step), train_c(graph, step, tmp_path)):
        assert run.losses[0] == pytest.approx(float(reference[f"{name}/loss"]), rel=5e-3)
        for weight, gradient in gradients(network, run).items():
            assert distance(gradient, reference[f"{name}/grad/{weight}"]) <= 4e-3, weight


# -- runs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rounding", ["master", "stochastic", "nearest"])
@pytest.mark.parametrize("more", ["", ",optimizer=momentum,batch=2", ",optimizer=adam", ",weight_decay=0.01"])
def test_a_run_in_c_follows_the_executor(rounding: str, more: str, tmp_path: Path) -> None:
    graph, stream = trainer(CNN, f"all,dtype=f16,rounding={rounding}{more}"), samples(CNN, 8)
    want, got = train_executor(graph, stream), train_c(graph, stream, tmp_path)
    assert not got.skipped.any()
    assert distance(got.losses, want.losses) < 2e-3
    for k, w in want.weights.items():
        assert got.weights[k].dtype == w.dtype == (np.float32 if rounding == "master" or w.ndim == 1 else np.float16)
        assert distance(got.weights[k], w) < 2e-3


def test_the_same_run_gives_the_same_bits(tmp_path: Path) -> None:
    graph, stream = trainer(CNN, "all,dtype=f16,rounding=stochastic"), samples(CNN, 6)
    runs = []
    for name in "ab":
        (tmp_path / name).mkdir()
        runs.append(train_c(graph, stream, tmp_path / name))
    assert runs[0].losses.tobytes() == runs[1].losses.tobytes()
    assert all(runs[0].weights[k].tobytes() == runs[1].weights[k].tobytes() for k in runs[0].weights)


def test_halves_take_half_the_memory() -> None:
    """Activations and gradients, and with stochastic rounding the weights as well."""
    wide, master, random = (
        make_plan(trainer(CNN, spec), HOST, fuse=False)
        for spec in ("all", "all,dtype=f16", "all,dtype=f16,rounding=stochastic")
    )
    weights = sum(b.bytes for b in wide.buffers.values() if b.name in ("w0", "w1", "w4"))
    working = wide.arena_bytes - weights
    assert master.arena_bytes <= weights + 0.62 * working + 64
    assert random.arena_bytes <= master.arena_bytes - weights // 2 + 64


@pytest.mark.parametrize("poison", [np.nan, np.inf, 1e6, 3e38])
@pytest.mark.parametrize("rounding", ["master", "stochastic"])
def test_what_is_not_finite_never_reaches_a_weight(poison: float, rounding: str, tmp_path: Path) -> None:
    graph, stream = trainer(CNN, f"all,dtype=f16,rounding={rounding}"), samples(CNN, 4)
    bad = stream[1][0].copy()
    bad.reshape(-1)[5] = poison
    found = train_c(graph, [stream[0], (bad, stream[1][1]), *stream[2:]], tmp_path)
    assert found.skipped[1] > 0
    assert found.skipped.tolist()[2:] == [0, 0]
    assert all(np.isfinite(w).all() for w in found.weights.values())


def test_weights_of_halves_do_not_overflow(tmp_path: Path) -> None:
    """A rate so large that weights leave the range of halves: they stop at its end."""
    graph = trainer(CNN, "all,dtype=f16,rounding=stochastic", rate=1e9)
    found = train_c(graph, samples(CNN, 1), tmp_path)
    assert max(float(np.abs(w.astype(np.float64)).max()) for w in found.weights.values() if w.ndim > 1) == 65504
    assert all(np.isfinite(w).all() for w in found.weights.values())


def test_the_loss_scale_finds_its_place() -> None:
    """It halves while gradients overflow, doubles after a run of good steps, and ignores samples without a class."""
    graph = trainer(CNN, "all,dtype=f16", rate=1e-6)
    scale = np.array([2.0**24, 2.0**-24], np.float32)
    graph.tensors["loss_scale"] = graph.tensors["loss_scale"].replace(initial=scale)
    assert graph.training is not None
    executor, (x, y) = Executor(graph), samples(CNN, 1)[0]

    def step(label: np.ndarray) -> int:
        return int(executor.run({"x": x, graph.training.label: label})[graph.training.skipped][0])

    overflows = 0
    while step(y):
        overflows += 1
    assert overflows > 0
    assert executor.state["loss_scale"][0] == 2.0 ** (24 - overflows)
    assert step(np.array([99], np.int32)) > 0
    assert executor.state["loss_scale"][0] == 2.0 ** (24 - overflows)
    for _ in range(PATIENCE - 1):
        assert step(y) == 0
    assert executor.state["loss_scale"].tolist() == [2.0 ** (25 - overflows), 2.0 ** (overflows - 25)]


def test_a_loss_scale_saves_small_gradients() -> None:
    """Gradients of 2^-26 are 0 as halves; with a loss scale they are there."""
    net = Network("small", (1, 4), [dense(3, activation="relu"), dense(2)], "mse")
    build(net)
    net.arrays["w1"] = np.full((2, 3), 2.0**-27, np.float32)
    net.arrays["label"] = np.full((1, 2), -1.0, np.float32)
    net.arrays["w0"] = np.abs(net.arrays["w0"])
    net.arrays["x"] = np.ones((1, 4), np.float32)
    found = {}
    for scale in ("1", "1024"):
        run = train_executor(trainer(net, f"all,dtype=f16,loss=mse,loss_scale={scale}", rate=2.0**30), [
            (net.arrays["x"], net.arrays["label"])
        ])  # fmt: skip
        found[scale] = (run.weights["w0"] - net.arrays["w0"]) / np.float32(2.0**30)
    assert not found["1"].any()
    assert np.all(found["1024"] < 0)


def test_an_autoencoder_has_one_conversion_per_end() -> None:
    graph = trainer(Network("auto", (1, 12), [dense(4, activation="relu"), dense(12)], "mse"), "all,dtype=f16")
    kinds = [o.type for o in graph.ops]
    assert graph.training is not None
    first = next(i for i, o in enumerate(graph.ops) if o.name == graph.training.first)
    assert kinds[:first] == ["to_half", "fully_connected", "fully_connected", "dequantize"]
    assert kinds.count("to_half") == 2
    assert graph.tensors[graph.outputs[0]].dtype is DType.FLOAT32
