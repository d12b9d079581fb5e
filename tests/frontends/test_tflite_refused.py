"""Models that are no good: each is refused with the right error class, and with a text that says what and where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from mcu_gen.errors import McuGenError, ModelFileError, UnsupportedModelError
from mcu_gen.frontends import load_tflite
from support.small_models import float_network, int8_network
from support.tflite_builder import ModelBuilder

Bend = Callable[[ModelBuilder], Any]


def tensor(b: ModelBuilder, name: str) -> Any:
    return next(t for t in b.subgraph.tensors if t.name == name.encode())


def index(b: ModelBuilder, name: str) -> int:
    return int(b.subgraph.tensors.index(tensor(b, name)))


def put(target: Callable[[ModelBuilder], Any], **values: Any) -> Bend:
    """A change that sets attributes of an object of the model."""

    def change(b: ModelBuilder) -> None:
        for key, value in values.items():
            setattr(target(b), key, value)

    return change


def t(name: str) -> Callable[[ModelBuilder], Any]:
    return lambda b: tensor(b, name)


def q(name: str) -> Callable[[ModelBuilder], Any]:
    return lambda b: tensor(b, name).quantization


def op(number: int) -> Callable[[ModelBuilder], Any]:
    return lambda b: b.subgraph.operators[number]


def graph(b: ModelBuilder) -> Any:
    return b.subgraph


def loose_input(b: ModelBuilder) -> None:
    b.tensor("nowhere", (1, 6, 6, 4), "int8", scale=1.0)
    b.subgraph.operators[4].inputs[0] = index(b, "nowhere")


#: Changes to the small int8 network that make it contradict itself: exit 2, and what the message says.
BROKEN: list[tuple[str, Bend, str]] = [
    ("version", lambda b: setattr(b.model, "version", 2), "schema version is 2"),
    ("no subgraph", lambda b: setattr(b.model, "subgraphs", []), "holds no subgraph"),
    ("no buffers", lambda b: setattr(b.model, "buffers", []), "there is no buffer 1"),
    ("buffer index", put(t("w1"), buffer=999), "there is no buffer 999"),
    ("operator code index", put(op(1), opcodeIndex=77), "operator 1: there is no operator code 77"),
    ("tensor index", put(op(1), inputs=[0, 1, 5000]), "there is no tensor 5000"),
    ("negative tensor index", put(op(1), inputs=[-2, 1, 2]), "there is no tensor -2"),
    ("negative output index", put(op(1), outputs=[-1]), "there is no tensor -1"),
    ("input of the model", put(graph, inputs=[-1]), "inputs of the model: there is no tensor -1"),
    ("output of the model", put(graph, outputs=[1 << 30]), "outputs of the model: there is no tensor"),
    ("unsorted", lambda b: b.subgraph.operators.reverse(), "written only later (operators unsorted or cyclic)"),
    ("cycle", lambda b: b.subgraph.operators[1].inputs.__setitem__(0, index(b, "sum")), "unsorted or cyclic"),
    ("reads what it writes", lambda b: op(2)(b).inputs.__setitem__(0, index(b, "relu")), "reads and writes"),
    ("written twice", lambda b: setattr(op(2)(b), "outputs", [index(b, "conv")]), "written by 2 operators"),
    ("input written", lambda b: setattr(b.subgraph, "inputs", [0, index(b, "conv")]), "input conv is written by"),
    ("input constant", lambda b: setattr(b.subgraph, "inputs", [0, index(b, "w1")]), "input w1 holds constant data"),
    ("input twice", put(graph, inputs=[0, 0]), "is an input of the model twice"),
    ("constant written", lambda b: setattr(tensor(b, "relu"), "buffer", 1), "holds constant data and is written"),
    ("variable constant", put(t("w1"), isVariable=True), "variable w1 holds constant data"),
    ("variable input", put(t("image"), isVariable=True), "input image is a variable as well"),
    ("nothing writes it", loose_input, "reads tensor nowhere, which nothing writes"),
    ("missing buffer", put(t("w1"), buffer=0), "reads tensor w1, which nothing writes: its data are missing"),
    ("buffer too short", put(t("w1"), shape=[4, 3, 3, 4]), "its buffer has 108 bytes, int8[4, 3, 3, 4] needs 144"),
    ("zero points", lambda b: q("w1")(b).zeroPoint.pop(), "4 scales and 3 zero points"),
    ("scale nan", put(q("conv"), scale=[float("nan")]), "tensor conv has the scale nan"),
    ("scale inf", put(q("conv"), scale=[float("inf")]), "tensor conv has the scale inf"),
    ("scale 0", put(q("conv"), scale=[0.0]), "tensor conv has the scale 0"),
    ("scale negative", put(q("w1"), scale=[0.01, -0.02, 0.01, 0.01]), "tensor w1 has the scale -0.02"),
    ("zero point", put(q("conv"), zeroPoint=[200]), "tensor conv has the zero point 200, outside int8"),
    ("axis", put(q("w1"), quantizedDimension=4), "quantized along dimension 4"),
    ("axis length", put(q("w1"), quantizedDimension=1), "4 scales for 3 channels"),
    ("shape", put(t("turned"), shape=[1, 3, 4, 3]), "stated as [1, 3, 4, 3], the operator gives [1, 3, 3, 4]"),
    ("type", put(t("turned"), type=schema.TensorType.INT32, quantization=None), "is int32, the operator gives int8"),
    ("too few inputs", put(op(1), inputs=[0]), "(CONV_2D) has 1 inputs"),
    ("first input absent", put(op(2), inputs=[-1]), "its first input is absent"),
    ("no outputs", put(op(2), outputs=[]), "reads tensor relu, which nothing writes"),
    ("last without outputs", lambda b: (put(op(-1), outputs=[])(b), b.outputs(["logits"])), "1 inputs and 0 outputs"),
    ("option", lambda b: setattr(op(1)(b).builtinOptions, "padding", 9), "option padding is 9"),
    ("activation", lambda b: setattr(op(4)(b).builtinOptions, "fusedActivationFunction", -3), "option fused_"),
    ("operator version", lambda b: setattr(b.model.operatorCodes[0], "version", 10000), "has the version 10000"),
    ("long name", put(t("conv"), name=b"n" * 5000), "has 5000 bytes"),
    ("name not UTF-8", put(t("conv"), name=b"\xff\xfe"), "is not UTF-8"),
]  # fmt: skip

#: Changes that make it unsupported: exit 3, and what a reason says.
UNSUPPORTED: list[tuple[str, Bend, str]] = [
    ("string", put(t("image"), type=schema.TensorType.STRING), "tensor image: elements of type string"),
    ("resource", put(t("image"), type=schema.TensorType.RESOURCE), "elements of type resource"),
    ("int4", put(t("w1"), type=schema.TensorType.INT4), "elements of type int4"),
    ("unknown type", put(t("image"), type=99), "elements of type type_99"),
    ("sparse", put(t("w1"), sparsity=schema.SparsityParametersT()), "tensor w1 is stored sparse"),
    ("external", put(t("w1"), externalBuffer=1), "has its data in another file"),
    ("dynamic", put(t("image"), shape=[-1, 6, 6, 3]), "every dimension must be known"),
    ("empty", put(t("image"), shape=[1, 0, 6, 3]), "no elements"),
    ("huge", put(t("image"), shape=[1 << 30, 1 << 30, 1 << 30, 1 << 30]), "at most 268,435,456 are supported"),
    ("rank", put(t("image"), shape=[1] * 9), "9 dimensions"),
    ("scheme", put(q("w1"), detailsType=schema.QuantizationDetails.BlockwiseQuantization,
                   details=schema.BlockwiseQuantizationT()), "not affine"),
    ("no quantization", put(t("conv"), quantization=None), "is int8 without scale and zero point"),
    ("asymmetric weights", put(q("w1"), zeroPoint=[0, 3, 0, 0]), "zero point"),
    ("activation per channel", put(q("image"), scale=[0.1, 0.2, 0.3], zeroPoint=[0, 0, 0], quantizedDimension=3),
     "an activation with a scale per channel"),
    ("operand per channel", put(q("gain"), scale=[0.1, 0.2, 0.3, 0.1], zeroPoint=[0] * 4, quantizedDimension=3),
     "quantized per channel, which only weights may be"),
    ("scale", put(q("conv"), scale=[1e30]), "at most 1e+09 is supported"),
    ("no operators", put(graph, operators=[], outputs=[0]), "the model holds no operators"),
    ("no inputs", lambda b: (tensor(b, "image").__setattr__("isVariable", True), setattr(b.subgraph, "inputs", [])),
     "the model has no inputs"),
    ("no outputs", put(graph, outputs=[]), "the model has no outputs"),
    ("output twice", lambda b: setattr(b.subgraph, "outputs", b.subgraph.outputs * 2), "an output of the model twice"),
    ("constant output", lambda b: b.subgraph.outputs.append(index(b, "w1")), "output w1 is a constant"),
    ("input as output", lambda b: b.subgraph.outputs.append(0), "output image is an input as well"),
]  # fmt: skip


def refused(model: bytes, kind: type[McuGenError]) -> str:
    with pytest.raises(McuGenError) as caught:
        load_tflite(model)
    assert type(caught.value) is kind
    return str(caught.value)


@pytest.mark.parametrize(("change", "text"), [c[1:] for c in BROKEN], ids=[c[0] for c in BROKEN])
def test_contradictions_are_exit_2(change: Bend, text: str) -> None:
    b = int8_network()
    change(b)
    assert text in refused(b.build(), ModelFileError)


@pytest.mark.parametrize(("change", "text"), [c[1:] for c in UNSUPPORTED], ids=[c[0] for c in UNSUPPORTED])
def test_unsupported_is_exit_3(change: Bend, text: str) -> None:
    b = int8_network()
    change(b)
    assert text in refused(b.build(), UnsupportedModelError)


def test_all_reasons_at_once_with_layer_and_nearest_fix() -> None:
    b = ModelBuilder().tensor("x", (1, 4), "float32").tensor("e", (1, 4), "float32").tensor("l", (1, 4), "float32")
    b.tensor("c", (1, 4), "float32").tensor("f", (1, 4), "float32").tensor("y", (1, 4), "float32")
    b.op("EXP", ["x"], ["e"]).op("ABS", ["e"], ["l"]).op("CUSTOM", ["l"], ["c"], custom="Mine")
    b.op("CUSTOM", ["c"], ["f"], custom="FlexErf").op("CUMSUM", ["f"], ["y"]).inputs(["x"]).outputs(["y"])
    with pytest.raises(UnsupportedModelError) as caught:
        load_tflite(b.build())
    assert caught.value.exit_code == 3
    assert caught.value.reasons == [
        "layer e: operator EXP is not supported; use SOFTMAX or LOGISTIC",
        "layer l: operator ABS is not supported; use relu(x) + relu(-x)",
        "layer c: custom operator Mine is not supported",
        "layer f: custom operator FlexErf needs TensorFlow itself; convert with TFLITE_BUILTINS only",
        "layer y: operator CUMSUM is not supported",
    ]
    assert caught.value.hints == ["`mcu-gen ops` lists the supported operators and their rules"]


def test_scratch_of_a_custom_operator_is_no_contradiction() -> None:
    """Models compiled for an NPU: the custom operator is the reason, not the inputs that only it understands."""
    b = ModelBuilder().tensor("x", (1, 4), "int8", scale=0.1).tensor("scratch", (64,), "int8", scale=0.1)
    b.tensor("y", (1, 4), "int8", scale=0.1).op("CUSTOM", ["x", "scratch"], ["y"], custom="ethos-u")
    model = b.inputs(["x"]).outputs(["y"]).build()
    assert "custom operator ethos-u is not supported" in refused(model, UnsupportedModelError)


def test_operator_of_a_newer_schema_is_named_by_number() -> None:
    b = float_network()
    b.model.operatorCodes[0].builtinCode = 9999
    assert "operator BUILTIN_9999 is not supported" in refused(b.build(), UnsupportedModelError)


def test_hybrid_models_name_the_way_out() -> None:
    b = ModelBuilder().tensor("x", (1, 2), "float32").tensor("w", (3, 2), "int8", data=np.ones((3, 2)), scale=0.1)
    b.tensor("y", (1, 3), "float32").op("FULLY_CONNECTED", ["x", "w", None], ["y"]).inputs(["x"]).outputs(["y"])
    with pytest.raises(UnsupportedModelError) as caught:
        load_tflite(b.build())
    assert "hybrid" in caught.value.reasons[0]
    assert "mcu-gen quantize MODEL --calib" in caught.value.hints[0]


def test_legacy_uint8_operators_name_the_way_out() -> None:
    b = ModelBuilder().tensor("x", (1, 2), "uint8", scale=0.1, zero_point=128)
    b.tensor("w", (3, 2), "uint8", data=np.ones((3, 2)), scale=0.1, zero_point=7)
    b.tensor("y", (1, 3), "uint8", scale=0.1, zero_point=128)
    b.op("FULLY_CONNECTED", ["x", "w", None], ["y"]).inputs(["x"]).outputs(["y"])
    with pytest.raises(UnsupportedModelError) as caught:
        load_tflite(b.build())
    assert "legacy" in caught.value.reasons[0]
    assert "int8" in caught.value.hints[0]


def test_both_kinds_of_findings_are_exit_2_and_name_the_contradiction() -> None:
    b = int8_network()
    tensor(b, "image").type = schema.TensorType.STRING
    tensor(b, "w1").shape = [1, 1, 1, 1]
    assert "its buffer has 108 bytes" in refused(b.build(), ModelFileError)


def test_several_contradictions_are_listed_together() -> None:
    b = int8_network()
    tensor(b, "w1").shape = [1, 1, 1, 1]
    tensor(b, "w3").shape = [1, 1]
    text = refused(b.build(), ModelFileError)
    assert "tensor w1" in text
    assert "tensor w3" in text
