"""Which constants a request trains, and the rewrites in front of the gradient rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mcu_gen import api
from mcu_gen.errors import McuGenError, UnsupportedModelError, UsageError
from mcu_gen.graph import Executor, Graph
from mcu_gen.graph.names import called
from mcu_gen.train import make_training_graph, parse_spec
from mcu_gen.train.prepare import prepared, transposed_convolutions
from support.training import distance
from train.network import Network, build, conv, dense, op, transposed
from train.networks import NETWORKS, transformer

ROOT = Path(__file__).parents[2]

#: Scales its input, then has an affine layer behind each of two layers with weights, and a PReLU.
AFFINE = Network(
    "affine", (1, 4, 3, 2),
    [op("mul", vector=(2,)), op("sub", vector=(2,)), conv(3, (2, 2)), op("mul", vector=(1, 1, 1, 3)),
     op("add", vector=(3,)), op("prelu", alpha=(3,)), op("mul", value=0.5), op("reshape"), dense(4),
     op("sub", vector=(4,), side=0), op("softmax")],
)  # fmt: skip


def trained(network: Network, spec: str) -> list[str]:
    graph = make_training_graph(build(network), parse_spec(f"{spec},loss={network.loss}"))
    assert graph.training is not None
    written = {n for o in graph.ops for n in o.outputs if graph.tensors[n].variable}
    assert written == set(graph.training.trained)
    return list(graph.training.trained)


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("all", ["w2", "b2", "g3", "b4", "a5", "w8", "b8", "b9"]),
        ("bias", ["b2", "b4", "b8", "b9"]),
        ("head", ["w8", "b8", "b9"]),
        ("bias+head", ["b2", "b4", "w8", "b8", "b9"]),
        ("bias+layers=mul3", ["b2", "g3", "b4", "b8", "b9"]),
        ("last:2", ["w2", "b2", "g3", "b4", "a5", "w8", "b8", "b9"]),
        ("layers=mul3+prelu5", ["g3", "a5"]),
        ("layers=mul0+fully_connected8", ["g0", "w8", "b8"]),
    ],
)
def test_factors_and_offsets_of_channels(spec: str, names: list[str]) -> None:
    assert trained(AFFINE, spec) == names


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ([dense(5), op("add", value=[0.5] * 5), dense(4)], ["w0", "b0", "c1.1", "w2", "b2"]),
        ([dense(1), op("mul", vector=(1,)), dense(4)], ["w0", "b0", "w2", "b2"]),
        ([dense(5), op("mul", value=2.0), dense(4)], ["w0", "b0", "w2", "b2"]),
        ([dense(5), op("add", value=[[1.0], [2.0]]), dense(4)], ["w0", "b0", "w2", "b2"]),
        ([dense(5), op("maximum", value=[0.5] * 5), dense(4)], ["w0", "b0", "w2", "b2"]),
        ([dense(5), op("batch_matmul", matrix=(5, 4))], ["w0", "b0", "w1"]),
        ([op("rsqrt"), op("mul", vector=(6,)), dense(4)], ["g1", "w2", "b2"]),
        ([op("reshape", shape=(3, 4)), op("add", vector=(4,)), dense(4)], ["w2", "b2"]),
    ],
)
def test_what_counts_as_a_parameter(layers: list[dict[str, object]], names: list[str]) -> None:
    assert trained(Network("counts", (2, 6), layers, "mse"), "all") == names


@pytest.mark.parametrize(
    ("layers", "spec", "error", "words"),
    [
        ([op("mul", vector=(6,)), op("relu")], "all", UnsupportedModelError, "nothing that could be trained"),
        ([dense(4), op("mul", vector=(4,))], "last:2", UsageError, "last:2 of 1"),
        ([dense(4), op("mul", vector=(4,))], "layers=relu1", UsageError, "fully_connected0, mul1"),
        ([dense(4), op("reshape", shape=(1, 1, 1, 2, 2, 2)), op("slice", begin=[0] * 6, size=[1, 1, 1, 1, 2, 2])],
         "all", UnsupportedModelError, "rank 6"),
    ],
)  # fmt: skip
def test_requests_that_cannot_be_met(
    layers: list[dict[str, object]], spec: str, error: type[McuGenError], words: str
) -> None:
    with pytest.raises(error) as found:
        make_training_graph(build(Network("refused", (2, 6), layers, "mse")), parse_spec(spec))
    assert words in str([found.value, getattr(found.value, "reasons", ""), getattr(found.value, "hints", "")])


def sharing(graph: Graph, *names: str) -> Graph:
    """``graph`` whose tensors ``names`` are the first of them, as converters store equal vectors."""
    out = graph.copy()
    out.ops = [o.replace(inputs=tuple(names[0] if n in names else n for n in o.inputs)) for o in out.ops]
    return out.prune()


def test_equal_vectors_of_several_layers_are_trained_apart() -> None:
    network = Network("shares", (1, 6), [dense(6), op("mul", vector=(6,)), dense(6), op("mul", vector=(6,)), dense(6)])
    network.loss = "mse"
    graph = sharing(sharing(build(network), "b0", "b2", "b4"), "g1", "g3")
    got = make_training_graph(graph, parse_spec("all"))
    assert got.training is not None
    assert len(got.training.trained) == 3 + 3 + 2
    x = network.arrays["x"]
    want, found = (next(iter(Executor(g).run({"x": x}).values())) for g in (graph, prepared(graph)))
    assert want.tobytes() == found.tobytes()


def test_a_matrix_of_several_layers_is_refused() -> None:
    graph = sharing(build(Network("tied", (1, 6), [dense(6), dense(6)], "mse")), "w0", "w1")
    with pytest.raises(UnsupportedModelError) as found:
        make_training_graph(graph, parse_spec("all"))
    assert found.value.reasons == ["w0 is used by several layers"]


CUT = [n for n in NETWORKS if n.name in ("split", "transpose conv")]


@pytest.mark.parametrize("network", CUT, ids=lambda n: n.name)
def test_what_is_rewritten_infers_the_same(network: Network) -> None:
    graph = build(network)
    rewritten = transposed_convolutions(prepared(graph))
    assert not {o.type for o in rewritten.ops} & {"split", "unpack", "transpose_conv"}
    want, got = (next(iter(Executor(g).run({"x": network.arrays["x"]}).values())) for g in (graph, rewritten))
    assert distance(got, want) < 1e-6


def test_a_frozen_transposed_convolution_passes_gradients() -> None:
    layers = [conv(2, (2, 2)), transposed(3, (3, 3), (8, 6)), op("reshape"), dense(2)]
    assert trained(Network("frozen", (1, 4, 3, 2), layers, "mse"), "layers=conv2d0") == ["w0", "b0"]


def test_what_is_repeated_is_not_stored() -> None:
    """The gradients of the means of a layer norm are one number per token: operators that broadcast read them so."""
    graph = make_training_graph(build(transformer("tokens")), parse_spec("all"))
    repeated = {o.outputs[0] for o in graph.ops if o.type == "broadcast_to"}
    readers = {o.type for o in graph.ops if repeated.intersection(n for n in o.inputs if n is not None)}
    assert not readers & {"add", "sub", "mul"}
    assert len(repeated) <= 1  # of the mean at the end


def test_broadcasts_of_the_network_itself_may_go_too() -> None:
    layers = [
        dense(4),
        op("broadcast_to", shape=(3, 4)),
        op("mul", vector=(4,)),
        op("reshape", shape=(1, 12)),
        dense(2),
    ]
    graph = make_training_graph(build(Network("wide", (1, 4), layers, "mse")), parse_spec("all"))
    assert graph.tensors["mul2"].shape == (3, 4)
    x = {"x": np.ones((1, 4), np.float32)}
    want = next(iter(Executor(build(Network("wide", (1, 4), layers, "mse"))).run(x).values()))
    assert distance(next(iter(Executor(graph).run(x).values())), want) < 1e-6


JOINED = ("net/a/Relu;net/a/bn;net/a/Conv", "net/b/Relu", "net/c/MatMul;net/c/Add", "other/b/Relu")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (JOINED[0], [JOINED[0]]), ("net/a/Relu", [JOINED[0]]), ("a/Relu", [JOINED[0]]), ("…et/c/MatMul", [JOINED[2]]),
        ("b/Relu", [JOINED[1], JOINED[3]]), ("net/b/Relu", [JOINED[1]]), ("elu", []), ("net/a/Conv", []), ("", []),
        ("c/MatMul", [JOINED[2]]), ("…", list(JOINED)),
    ],
)  # fmt: skip
def test_layers_are_called_as_screens_show_them(name: str, found: list[str]) -> None:
    assert called(name, JOINED) == found


def test_a_layer_of_a_converter_is_trained_by_its_short_name() -> None:
    graph = api.load(ROOT / "examples" / "digits" / "digits_float.tflite")
    whole = make_training_graph(graph, parse_spec("last:2")).training
    short = make_training_graph(graph, parse_spec("layers=re_lu_7_1/Relu+dense_1_1/MatMul")).training
    assert whole is not None
    assert short is not None
    assert short.trained == whole.trained
    with pytest.raises(UsageError, match="may be any of"):
        make_training_graph(graph, parse_spec("layers=Relu"))
