"""Quantized graphs: rules of the specification, bit-exact with LiteRT, close to the float model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mcu_gen.errors import UnsupportedModelError, UsageError
from mcu_gen.frontends import load_tflite
from mcu_gen.graph import DType, Executor, Graph
from mcu_gen.quantize import METHODS, Options, compare, prepare, quantize_graph, write_tflite
from mcu_gen.quantize.calibrate import Range
from mcu_gen.quantize.fold import fold_affine
from mcu_gen.quantize.ptq import activation_params, weight_scales
from mcu_gen.quantize.report import quantized_input
from mcu_gen.quantize.rules import FIXED, SAME_SCALE, WEIGHTED
from mcu_gen.run.oracle import run_litert
from quantize.models import FloatNetwork, batch_normalized, classifier, every_operator
from support.three_way import Case, run_three_ways

MODELS: dict[str, tuple[Callable[[], bytes], float]] = {  # model, lowest SQNR in dB
    "classifier": (classifier, 20.0),
    "batch_normalized": (batch_normalized, 25.0),
    "every_operator": (every_operator, 25.0),
}


def samples_for(graph: Graph, count: int = 24, seed: int = 1) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [
        {n: rng.normal(0, 1, graph.tensors[n].shape).astype(np.float32) for n in graph.inputs} for _ in range(count)
    ]


def quantized(name: str, **options: object) -> tuple[Graph, Graph, dict[str, str]]:
    graph = prepare(load_tflite(MODELS[name][0](), name))
    out, names = quantize_graph(graph, samples_for(graph), Options(**options))  # type: ignore[arg-type]
    return graph, out, names


@pytest.mark.parametrize("io", ["int8", "float"])
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_litert_computes_the_same_bits(name: str, per_channel: bool, io: str) -> None:
    """The written file runs in LiteRT, and the executor agrees with it on every output of every sample."""
    graph, out, _ = quantized(name, per_channel=per_channel, io=io)
    again = load_tflite(write_tflite(out), name)
    assert again.inputs == graph.inputs
    assert again.outputs == graph.outputs
    want = DType.FLOAT32 if io == "float" else DType.INT8
    assert {again.tensors[n].dtype for n in (*again.inputs, *again.outputs)} == {want}
    samples = [{n: quantized_input(x, again.tensors[n]) for n, x in s.items()} for s in samples_for(graph, 8, seed=2)]
    result = run_litert(write_tflite(out), [[s[n] for n in again.inputs] for s in samples])
    for sample, outputs in zip(samples, result.outputs, strict=True):
        found = Executor(again).run(sample)
        for n, expected in zip(again.outputs, outputs, strict=True):
            np.testing.assert_array_equal(found[n], expected)


def test_generated_c_computes_the_same_bits(tmp_path: Path) -> None:
    """Whole quantized networks: the executor = LiteRT = C on the host with sanitizers."""
    cases = []
    for name in MODELS:
        for io in ("int8", "float"):
            written = write_tflite(quantized(name, io=io)[1])
            cases.append(Case(f"{name} {io}", partial(bytes, written)))
    assert run_three_ways(cases, tmp_path) == {}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", MODELS)
def test_quality(name: str, method: str) -> None:
    graph, out, names = quantized(name, method=method)
    report = compare(graph, out, names, samples_for(graph, 16, seed=3))
    assert report.sqnr_db > MODELS[name][1]
    assert [layer.name for layer in report.layers] == [op.name for op in graph.ops]
    assert all(layer.sqnr_db > 10 for layer in report.layers)
    assert report.top1_agreement is not None
    assert report.top1_agreement >= 0.75


@pytest.mark.parametrize("name", MODELS)
def test_rules_of_the_specification(name: str) -> None:
    _, out, _ = quantized(name)
    for node in out.nodes():
        if node.type in WEIGHTED:
            w, b, axis = node.input(1), node.input(2), WEIGHTED[node.type]
            assert w.quant is not None
            assert b.quant is not None
            assert w.data is not None
            assert (w.quant.axis, w.quant.scale.size) == (axis, w.shape[axis])
            assert not w.quant.zero_point.any()
            assert not b.quant.zero_point.any()
            assert w.data.min() >= -127
            assert b.dtype is DType.INT32
            np.testing.assert_array_equal(b.quant.scale, np.float32(node.x.s) * w.quant.scale)
        if node.type in SAME_SCALE:
            scales = {(t.s, t.zp) for t in (*node.inputs, node.y) if t is not None and t.dtype is DType.INT8}
            assert len(scales) == 1, node.name
        if node.type in FIXED:
            assert (node.y.s, node.y.zp) == FIXED[node.type]
        assert all(t.dtype is not DType.FLOAT32 for t in node.outputs)


def test_a_fixed_scale_is_left_through_a_quantize_operator() -> None:
    """The softmax of ``every_operator`` is concatenated with logits: its codes are rescaled, the softmax's stay."""
    _, out, _ = quantized("every_operator")
    rescaled = [node for node in out.nodes() if node.type == "quantize"]
    assert {node.x.name for node in rescaled} == {"p"}
    assert all(node.x.dtype is node.y.dtype is DType.INT8 for node in rescaled)
    assert (out.tensors["p"].s, out.tensors["p"].zp) == FIXED["softmax"]


def test_a_softmax_that_is_only_reshaped_keeps_its_scale() -> None:
    n = FloatNetwork()
    n.input("x", 1, 6)
    n.reshape(n.unary("SOFTMAX", n.dense("x", "l", 6), "p", {"beta": 1.0}), "y", 2, 3)
    graph = prepare(load_tflite(n.build(["x"], ["y"]), "m"))
    out, _ = quantize_graph(graph, samples_for(graph))
    assert [op.type for op in out.ops] == ["fully_connected", "softmax", "reshape"]
    assert (out.tensors["y"].s, out.tensors["y"].zp) == FIXED["softmax"]


def test_batch_normalization_is_folded() -> None:
    """Only the four linear layers (and the reshape) are left, and they compute what the model computed."""
    before = load_tflite(batch_normalized(), "m")
    after = prepare(before)
    assert [op.type for op in after.ops] == ["conv2d", "depthwise_conv2d", "conv2d", "reshape", "fully_connected"]
    assert [op.attrs["activation"] for op in after.ops if "activation" in op.attrs] == ["relu", "none", "relu6", "relu"]
    for sample in samples_for(before, 4):
        want, got = Executor(before).run(sample)["y"], Executor(after).run(sample)["y"]
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_what_cannot_be_folded_stays() -> None:
    """A factor per row, a result that someone else reads, and an activation in between."""
    n = FloatNetwork()
    n.input("x", 1, 4, 4, 2)
    n.constant("rows", n.rng.normal(size=(1, 4, 1, 1)))
    n.constant("k", n.rng.normal(size=2))
    n.shapes |= {"rows": (1, 4, 1, 1), "k": (2,)}
    a = n.binary("MUL", n.conv("x", "c1", 2), "rows", "m1")
    b = n.binary("MUL", n.conv(a, "c2", 2, activation="relu"), "k", "m2")
    c = n.conv(b, "c3", 2)
    n.binary("ADD", n.binary("MUL", c, "k", "m3"), c, "y")
    graph = load_tflite(n.build(["x"], ["y"]), "m")
    assert [op.type for op in fold_affine(graph).ops] == [op.type for op in graph.ops]


def test_per_channel_weights_are_better_than_per_tensor_ones() -> None:
    """Channels of very different size are what per-channel scales are for."""
    n = FloatNetwork(2)
    n.input("x", 1, 8, 8, 3)
    n.conv("x", "y", 8, spread=500.0)
    graph = prepare(load_tflite(n.build(["x"], ["y"]), "m"))
    errors = []
    for per_channel in (True, False):
        out, _ = quantize_graph(graph, samples_for(graph), Options(per_channel=per_channel))
        w = next(out.nodes()).input(1)
        assert w.data is not None
        assert w.quant is not None
        real = w.data * (w.quant.scale.reshape(-1, 1, 1, 1) if per_channel else w.quant.s)
        exact = next(graph.nodes()).input(1).data
        assert exact is not None
        errors.append(float((np.abs(real - exact) / np.abs(exact).max(axis=(1, 2, 3), keepdims=True)).mean()))
    assert errors[0] < errors[1] / 10


@pytest.mark.parametrize(("low", "high"), [(0, 6), (-1, 1), (-3, 0.01), (0, 0), (-1e-9, 0), (-0.5, 100), (0, 1e30)])
def test_zero_is_exact_and_ends_are_reached(low: float, high: float) -> None:
    quant = activation_params(Range(low, high))
    assert -128 <= quant.zp <= 127
    assert quant.s > 0
    assert abs((-128 - quant.zp) * quant.s - low) <= quant.s / 2 * 1.001
    assert high == 0 or abs((127 - quant.zp) * quant.s - high) <= quant.s / 2 * 1.001


def test_weight_scales_at_the_edges() -> None:
    """Empty channels keep a precise bias, huge biases stay inside int32."""
    w = np.array([[1.27, -0.5], [0.0, 0.0], [1e-6, 0.0]])
    bias = np.array([0.5, 0.5, 1e6])
    scale = weight_scales(w, bias, 0, True, 0.1)
    assert scale[0] == pytest.approx(0.01)
    assert scale[1] == pytest.approx(0.01)
    assert abs(bias[2] / (0.1 * scale[2])) <= 2**30 * 1.001
    assert weight_scales(np.zeros((2, 2)), np.zeros(2), 0, True, 0.1).min() > 0
    assert weight_scales(w, bias, 0, False, 0.1).size == 1


def test_all_reasons_at_once() -> None:
    graph = load_tflite(classifier(), "m")
    out, _ = quantize_graph(prepare(graph), samples_for(graph))
    with pytest.raises(UnsupportedModelError) as caught:
        prepare(out)
    assert len(caught.value.reasons) == len(out.ops)
    assert all("already" in reason for reason in caught.value.reasons)


@pytest.mark.parametrize("options", [{"method": "best"}, {"io": "int4"}])
def test_unknown_options_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        Options(**options)  # type: ignore[arg-type]
