"""Dead channels go, no bit changes, and what cannot go exactly stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_gen.frontends import load_tflite
from mcu_gen.graph import Executor, Graph, check, operator
from mcu_gen.passes import run_passes
from mcu_gen.passes.dead_channels import dead_channels
from mcu_gen.passes.ranges import intervals
from passes.dead_networks import dead_network
from passes.test_passes import same_bits
from support.tflite_builder import ModelBuilder
from support.three_way import Case, run_three_ways

LIVE = 3  # output channels of the first convolution of `Pair` with weights, of 5


def macs(graph: Graph) -> int:
    return sum(operator(node.type).macs(node) for node in graph.nodes())


def legal(graph: Graph) -> Graph:
    """Every operator is supported and gives the shapes that its tensors have."""
    for node in graph.nodes():
        assert check(node) == []
        found = [(t.shape, t.dtype) for t in operator(node.type).infer(node)]
        assert found == [(t.shape, t.dtype) for t in node.outputs]
    return graph


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 9), st.sampled_from([0.0, 0.3, 0.5, 0.9]))
def test_no_bit_changes(seed: int, layers: int, density: float) -> None:
    graph = load_tflite(dead_network(seed, layers, density))
    after = legal(dead_channels(graph))
    same_bits(graph, after)
    assert macs(after) <= macs(graph)
    assert dead_channels(after.prune()).tensors.keys() == after.prune().tensors.keys()
    same_bits(graph, run_passes(graph))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_what_is_left_of_a_tensor_is_known(seed: int) -> None:
    """After all passes, which may take channels in several rounds: the channels that the graph names are those."""
    graph = load_tflite(dead_network(seed))
    after = run_passes(graph)
    x = np.random.default_rng(seed).integers(-128, 128, graph.tensors[graph.inputs[0]].shape).astype(np.int8)
    whole, left = (Executor(g).run({graph.inputs[0]: x}, keep=True) for g in (graph, after))
    named = {n for op in after.ops for n in op.outputs} & set(whole)
    for name in named:
        want = whole[name][..., after.channels[name]] if name in after.channels else whole[name]
        assert left[name].shape == want.shape
        assert (left[name] == want).all()


def test_much_goes() -> None:
    """Half of the channels are planted dead: a pass that removed nothing would pass the tests above."""
    graphs = [load_tflite(dead_network(seed)) for seed in range(40)]
    assert sum(macs(dead_channels(g)) for g in graphs) < 0.6 * sum(macs(g) for g in graphs)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_every_value_lies_in_its_interval(seed: int) -> None:
    graph = load_tflite(dead_network(seed))
    bounds = intervals(graph)
    rng = np.random.default_rng(seed)
    shape = graph.tensors[graph.inputs[0]].shape
    for x in (rng.integers(-128, 128, shape), np.full(shape, -128), np.full(shape, 127)):
        values = Executor(graph).run({graph.inputs[0]: x.astype(np.int8)}, keep=True)
        for name, interval in bounds.items():
            rows = values[name].reshape(-1, interval.low.size)
            assert (interval.low <= rows).all()
            assert (rows <= interval.high).all()


def test_generated_c_computes_what_litert_does(tmp_path: Path) -> None:
    cases = [Case(f"dead{seed}", lambda seed=seed: dead_network(seed, 5)) for seed in range(8)]
    failures = run_three_ways(cases, tmp_path, run_passes)
    assert not failures, "\n".join(f"{model}: {text}" for model, text in failures.items())


class Pair:
    """Convolution with two dead channels of five -> something -> convolution to 2 channels."""

    def __init__(self, *, zero_point: int = -128, bias: int = 0, activation: str = "relu", dtype: str = "int8") -> None:
        rng = np.random.default_rng(1)
        self.b = ModelBuilder("pair")
        self.dtype, self.wide = dtype, dtype == "int16"
        self.zero_point = 0 if self.wide else zero_point
        self.tensor("x", (1, 4, 4, 2))
        w = rng.integers(-127, 128, (5, 1, 1, 2))
        w[LIVE:] = 0
        self.b.tensor("w1", w.shape, "int8", data=w, scale=[0.01] * 5, axis=0)
        self.bias("b1", [5, -3, 100, bias, bias])
        self.tensor("a", (1, 4, 4, 5))
        options = {"padding": "same", "stride_h": 1, "stride_w": 1, "fused_activation_function": activation}
        self.b.op("CONV_2D", ["x", "w1", "b1"], ["a"], options=options)

    def tensor(self, name: str, shape: tuple[int, ...], **more: Any) -> str:
        self.b.tensor(name, shape, self.dtype, scale=0.1, zero_point=self.zero_point, **more)
        return name

    def bias(self, name: str, values: list[int]) -> None:
        kind = "int64" if self.wide else "int32"
        self.b.tensor(name, (len(values),), kind, data=values, scale=[0.001] * len(values), axis=0)

    def second(self, x: str, *, padding: str = "same", kernel: int = 3, bias: bool = True) -> Graph:
        side = 4 if padding == "same" else 5 - kernel
        w = np.random.default_rng(2).integers(1, 128, (2, kernel, kernel, 5))
        self.b.tensor("w2", w.shape, "int8", data=w, scale=[0.01] * 2, axis=0)
        self.tensor("y", (1, side, side, 2))
        inputs = [x, "w2"]
        if bias:
            self.bias("b2", [10, -10])
            inputs.append("b2")
        self.b.op("CONV_2D", inputs, ["y"], options={"padding": padding, "stride_h": 1, "stride_w": 1})
        return load_tflite(self.b.inputs(["x"]).outputs(["y"]).build())


def channels(graph: Graph, name: str) -> int:
    return graph.tensors[name].shape[-1]


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize(
    ("bias", "padding", "kernel", "left"),
    [
        (0, "same", 3, LIVE),  # the constant is the real number 0: so is the padding
        (500, "same", 1, LIVE),  # a 1x1 window has no border
        (500, "valid", 3, LIVE),  # no padding
        (500, "same", 3, 5),  # the border sees less of the constant: no bias can say that
    ],
)
def test_padding_decides(bias: int, padding: str, kernel: int, left: int, dtype: str) -> None:
    graph = Pair(bias=bias, dtype=dtype).second("a", padding=padding, kernel=kernel)
    after = legal(dead_channels(graph))
    same_bits(graph, after)
    assert channels(after, "a") == left


def test_a_bias_is_made_where_there_was_none() -> None:
    graph = Pair(bias=500).second("a", padding="valid", bias=False)
    after = legal(dead_channels(graph))
    same_bits(graph, after)
    assert channels(after, "a") == LIVE
    assert len(after.ops[1].inputs) == 3


@pytest.mark.parametrize(("zero_point", "bias", "left"), [(-128, -30000, LIVE), (0, 30000, 5)])
def test_channels_that_an_activation_cuts_off_go(zero_point: int, bias: int, left: int) -> None:
    """Weights that cannot lift the sum above 0 are as dead as none; the upper bound differs from the padding."""
    pair = Pair(zero_point=zero_point, activation="relu6")
    w = next(t for t in pair.b.subgraph.tensors if t.name == b"w1")
    pair.b.model.buffers[w.buffer].data = np.full((5, 1, 1, 2), 3, np.int8).tobytes()
    b1 = next(t for t in pair.b.subgraph.tensors if t.name == b"b1")
    pair.b.model.buffers[b1.buffer].data = np.array([5, -3, 100, bias, bias], np.int32).tobytes()
    graph = pair.second("a")
    after = legal(dead_channels(graph))
    same_bits(graph, after)
    assert channels(after, "a") == left


def test_outputs_of_the_graph_keep_their_channels() -> None:
    pair = Pair()
    pair.second("a")
    graph = load_tflite(pair.b.outputs(["y", "a"]).build())
    assert dead_channels(graph) is graph


def test_a_channel_of_a_sum_goes_when_it_is_dead_on_both_sides() -> None:
    for live, left in ((5, 5), (LIVE, LIVE)):
        pair = Pair(bias=300)
        w = np.random.default_rng(3).integers(1, 128, (5, 1, 1, 2))
        w[live:] = 0
        pair.b.tensor("w3", w.shape, "int8", data=w, scale=[0.01] * 5, axis=0)
        pair.tensor("other", (1, 4, 4, 5))
        pair.b.op("CONV_2D", ["x", "w3"], ["other"], options={"padding": "same", "stride_h": 1, "stride_w": 1})
        pair.tensor("sum", (1, 4, 4, 5))
        pair.b.op("ADD", ["a", "other"], ["sum"])
        graph = pair.second("sum", kernel=1)
        after = legal(dead_channels(graph))
        same_bits(graph, after)
        assert {channels(after, name) for name in ("a", "other", "sum")} == {left}


def test_inputs_that_nobody_weighs_are_not_computed() -> None:
    """All five channels live, and the reader has weights for two of them only."""
    pair = Pair(bias=40)
    w = next(t for t in pair.b.subgraph.tensors if t.name == b"w1")
    pair.b.model.buffers[w.buffer].data = np.full((5, 1, 1, 2), 7, np.int8).tobytes()
    pair.second("a")
    w2 = next(t for t in pair.b.subgraph.tensors if t.name == b"w2")
    values = np.full((2, 3, 3, 5), 9, np.int8)
    values[..., 1:4] = 0
    pair.b.model.buffers[w2.buffer].data = values.tobytes()
    graph = load_tflite(pair.b.build())
    after = legal(dead_channels(graph))
    same_bits(graph, after)
    assert channels(after, "a") == 2


def test_a_network_that_is_one_number_keeps_a_channel() -> None:
    graph = load_tflite(dead_network(5, 6, density=0.0))
    after = legal(run_passes(graph))
    same_bits(graph, after)
    assert all(t.elements > 0 for t in after.tensors.values())


def test_float_channels_stay() -> None:
    b = ModelBuilder()
    b.tensor("x", (1, 2, 2, 1), "float32").tensor("a", (1, 2, 2, 3), "float32").tensor("y", (1, 2, 2, 1), "float32")
    b.tensor("w1", (3, 1, 1, 1), "float32", data=[[[[1.0]]], [[[0.0]]], [[[0.0]]]])
    b.tensor("w2", (1, 1, 1, 3), "float32", data=[[[[1.0, 2.0, 3.0]]]])
    options = {"padding": "same", "stride_h": 1, "stride_w": 1}
    b.op("CONV_2D", ["x", "w1"], ["a"], options=options).op("CONV_2D", ["a", "w2"], ["y"], options=options)
    graph = load_tflite(b.inputs(["x"]).outputs(["y"]).build())
    assert dead_channels(graph) is graph


@pytest.mark.shared
def test_visual_wake_words_lose_half_their_work(shared: Path) -> None:
    graph = load_tflite((shared / "models" / "mobilenet_vww_int8.tflite").read_bytes())
    after = legal(run_passes(graph))
    convolutions = {"conv2d", "depthwise_conv2d"}
    gone = [
        channels(graph, op.outputs[0]) - channels(after, op.outputs[0]) for op in graph.ops if op.type in convolutions
    ]
    assert (macs(graph), macs(after)) == (7_489_664, 3_727_313)
    assert sum(gone) > 971  # without weights, and those behind them
    same_bits(graph, after)
