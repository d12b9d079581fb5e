"""What the .tflite reader gives for models that are fine: every part of the file arrives in the graph unchanged."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from mcu_gen.errors import UnsupportedModelError
from mcu_gen.frontends import load_tflite, tensor_names, without_ignored_axes
from mcu_gen.frontends.tflite.operators import ARITY, FIXES, by_builtin
from mcu_gen.graph import DType, Executor, Graph
from mcu_gen.graph.text import to_text
from mcu_gen.run.oracle import OracleError, run_litert
from support.small_models import float_network, int8_network
from support.tflite_builder import ModelBuilder


def samples(graph: Graph, count: int = 3) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)

    def draw(name: str) -> np.ndarray:
        t = graph.tensors[name]
        if t.dtype.is_float:
            return rng.normal(size=t.shape).astype(t.dtype.numpy)
        return rng.integers(-100, 100, t.shape).astype(t.dtype.numpy)

    return [{n: draw(n) for n in graph.inputs} for _ in range(count)]


def same_as_litert(model: bytes, graph: Graph, *, exact: bool = True) -> None:
    """The graph, executed in NumPy, computes what LiteRT computes for the file, sample after sample."""
    data = samples(graph)
    executor = Executor(graph)
    expected = run_litert(model, [[x[n] for n in graph.inputs] for x in data])
    for x, want in zip(data, expected.outputs, strict=True):
        got = executor.run(x)
        for name, array in zip(graph.outputs, want, strict=True):
            if exact:
                np.testing.assert_array_equal(got[name], array)
            else:
                np.testing.assert_allclose(got[name], array, rtol=1e-5, atol=1e-6)


def relu(dtype: str = "int8") -> ModelBuilder:
    """x -> RELU -> y."""
    scale = None if dtype == "float32" else 0.1
    b = ModelBuilder().tensor("x", (1, 4), dtype, scale=scale).tensor("y", (1, 4), dtype, scale=scale)
    return b.op("RELU", ["x"], ["y"]).inputs(["x"]).outputs(["y"])


def test_structure_arrives() -> None:
    model = int8_network().build()
    graph = load_tflite(model, "net")
    assert (graph.name, graph.inputs, graph.outputs) == ("net", ["image"], ["probabilities"])
    assert graph.aliases == {"x": "image", "y": "probabilities"}
    assert graph.sha256 == hashlib.sha256(model).hexdigest()
    assert graph.warnings == []
    assert [op.name for op in graph.ops][:3] == ["padded", "conv", "relu"]
    conv = graph.ops[1]
    assert (conv.type, conv.inputs, conv.outputs) == ("conv2d", ("padded", "w1", "b1"), ("conv",))
    assert {k: conv.attrs[k] for k in ("padding", "stride_h", "activation")} == {
        "padding": "valid", "stride_h": 1, "activation": "none",
    }  # fmt: skip
    w1 = graph.tensors["w1"]
    assert w1.quant is not None
    assert (w1.shape, w1.dtype, w1.quant.axis) == ((4, 3, 3, 3), DType.INT8, 0)
    np.testing.assert_array_equal(w1.quant.scale, np.array([0.01, 0.02, 0.005, 0.03], np.float32))
    np.testing.assert_array_equal(graph.tensors["b1"].data, np.array([100, -50, 0, 7], np.int32))
    assert (graph.tensors["relu"].s, graph.tensors["relu"].zp) == (float(np.float32(0.1)), 3)


@pytest.mark.parametrize(("build", "exact"), [(int8_network, True), (float_network, False)])
def test_graph_computes_what_litert_computes(build: object, exact: bool) -> None:
    model = build().build()  # type: ignore[operator]
    same_as_litert(model, load_tflite(model), exact=exact)


def test_names_are_unique_printable_and_not_empty() -> None:
    b = relu("float32")
    b.tensor("z", (1, 4), "float32").op("RELU", ["y"], ["z"]).outputs(["z"])
    for t, name in zip(b.subgraph.tensors, (b"same", b"same", b""), strict=True):
        t.name = name
    graph = load_tflite(b.build())
    assert list(graph.tensors) == ["same", "same_1", "tensor_2"]
    assert [op.name for op in graph.ops] == ["same_1", "tensor_2"]
    assert tensor_names(b.build()) == ["same", "same_1", "tensor_2"]
    b.subgraph.tensors[1].name = b"line\nbreak\x00"
    assert load_tflite(b.build()).ops[0].name == "line_break_"


def test_unused_tensors_are_dropped() -> None:
    graph = load_tflite(relu().tensor("unused", (1 << 20, 1 << 10), "float32").tensor("odd", (2,), "string").build())
    assert set(graph.tensors) == {"x", "y"}


def test_absent_input_is_none() -> None:
    b = ModelBuilder().tensor("x", (1, 2), "float32").tensor("w", (3, 2), "float32", data=np.ones((3, 2)))
    b.tensor("y", (1, 3), "float32").op("FULLY_CONNECTED", ["x", "w", None], ["y"]).inputs(["x"]).outputs(["y"])
    assert load_tflite(b.build()).ops[0].inputs == ("x", "w", None)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "bool", "float32"])
def test_every_type_of_input_and_output(dtype: str) -> None:
    b = ModelBuilder().tensor("x", (2, 3), dtype).tensor("y", (3, 2), dtype)
    b.op("RESHAPE", ["x"], ["y"], options={"new_shape": [3, 2]}).inputs(["x"]).outputs(["y"])
    assert load_tflite(b.build()).tensors["y"].dtype is DType(dtype)


def test_unsigned_bytes_at_the_ends() -> None:
    """uint8 inputs and outputs of int8 models: a QUANTIZE at either end."""
    b = ModelBuilder().tensor("x", (1, 8), "uint8", scale=0.1, zero_point=120)
    b.tensor("in", (1, 8), "int8", scale=0.1, zero_point=-8).op("QUANTIZE", ["x"], ["in"])
    b.tensor("inner", (1, 8), "int8", scale=0.1, zero_point=-8).op("RELU", ["in"], ["inner"])
    b.tensor("y", (1, 8), "uint8", scale=0.1, zero_point=120).op("QUANTIZE", ["inner"], ["y"])
    model = b.inputs(["x"]).outputs(["y"]).build()
    graph = load_tflite(model)
    x = np.array([[0, 1, 119, 120, 121, 200, 254, 255]], np.uint8)
    np.testing.assert_array_equal(Executor(graph).run({"x": x})["y"], run_litert(model, [[x]]).outputs[0][0])


def test_tables_of_operators_are_complete() -> None:
    """Every operator has its number of inputs, and no way around an operator is given that is supported."""
    assert set(by_builtin()) == set(ARITY)
    assert not set(by_builtin()) & set(FIXES)


def test_signatures_without_a_key_are_ignored() -> None:
    b = int8_network()
    b.model.signatureDefs[0].signatureKey = b""
    assert load_tflite(b.build()).aliases == {}


def test_dynamic_batch_is_taken_as_stated_with_a_warning() -> None:
    b = ModelBuilder().tensor("x", (1, 4), "float32", shape_signature=(-1, 4)).tensor("y", (1, 4), "float32")
    graph = load_tflite(b.op("RELU", ["x"], ["y"]).inputs(["x"]).outputs(["y"]).build())
    assert graph.tensors["x"].shape == (1, 4)
    assert graph.warnings == ["input x: the dynamic shape [-1, 4] is taken as [1, 4]"]


def test_shape_that_the_file_leaves_open_is_inferred() -> None:
    b = ModelBuilder().tensor("x", (1, 4), "float32").tensor("m", (), "float32").tensor("y", (1, 4), "float32")
    b.subgraph.tensors[1].hasRank = False
    graph = load_tflite(b.op("RELU", ["x"], ["m"]).op("RELU6", ["m"], ["y"]).inputs(["x"]).outputs(["y"]).build())
    assert graph.tensors["m"].shape == (1, 4)


def test_quantized_dimension_without_meaning_is_ignored() -> None:
    b = int8_network()
    index = {t.name: t for t in b.subgraph.tensors}
    index[b"image"].quantization.quantizedDimension = 7  # one scale
    index[b"b1"].quantization.quantizedDimension = 3  # one dimension
    graph = load_tflite(b.build())
    assert graph.tensors["b1"].quant is not None
    assert graph.tensors["b1"].quant.axis == 0
    assert graph.tensors["image"].quant is not None
    assert graph.tensors["image"].quant.axis is None
    assert graph.warnings == [
        "quantized_dimension has no meaning on 2 tensors with one scale or one dimension (the first is image) "
        "and is ignored"
    ]


def test_model_with_a_meaningless_dimension_is_made_acceptable_for_litert() -> None:
    """LiteRT refuses what TFLite Micro loads; the bytes for the oracle differ in nothing else."""
    b = int8_network()
    next(t for t in b.subgraph.tensors if t.name == b"b1").quantization.quantizedDimension = 3
    model = b.build()
    with pytest.raises(OracleError, match="quantized_dimension"):
        run_litert(model, [])
    same_as_litert(without_ignored_axes(model), load_tflite(model))
    assert sum(x != y for x, y in zip(model, without_ignored_axes(model), strict=True)) == 1
    untouched = int8_network().build()
    assert without_ignored_axes(untouched) == untouched


def test_quantization_of_float_tensors_is_dropped() -> None:
    b = ModelBuilder().tensor("x", (1, 4), "float32", scale=0.1).tensor("y", (1, 4), "float32", scale=[])
    assert load_tflite(b.op("RELU", ["x"], ["y"]).inputs(["x"]).outputs(["y"]).build()).tensors["x"].quant is None


def test_data_behind_the_flatbuffer() -> None:
    b = ModelBuilder().tensor("x", (1, 2), "float32").tensor("c", (1, 2), "float32", buffer=b"")
    b.tensor("y", (1, 2), "float32").op("ADD", ["x", "c"], ["y"]).inputs(["x"]).outputs(["y"])
    values = np.array([[1.5, -2.5]], np.float32)
    length = len(b.build()) + 64  # the two fields below make the file longer
    b.model.buffers[1].data = None
    b.model.buffers[1].offset, b.model.buffers[1].size = length, 8
    data = b.build().ljust(length, b"\0") + values.tobytes()
    np.testing.assert_array_equal(load_tflite(data).tensors["c"].data, values)


def test_further_subgraphs_are_named_and_ignored() -> None:
    b = relu()
    b.model.subgraphs.append(schema.SubGraphT(tensors=[], operators=[], inputs=[], outputs=[]))
    assert "2 subgraphs" in load_tflite(b.build()).warnings[0]


def test_variables_keep_their_values_as_in_litert() -> None:
    b = ModelBuilder().tensor("x", (1, 3), "int8", scale=0.1, zero_point=4)
    b.tensor("state", (1, 3), "int8", scale=0.1, zero_point=4, variable=True)
    b.tensor("y", (1, 3), "int8", scale=0.2, zero_point=4)
    b.tensor("sum", (1, 3), "int8", scale=0.1, zero_point=4)
    b.op("MUL", ["x", "state"], ["y"]).op("ADD", ["x", "state"], ["sum"])
    b.op("QUANTIZE", ["sum"], ["state"]).inputs(["x"]).outputs(["y"])
    model = b.build()
    graph = load_tflite(model)
    assert [t.name for t in graph.variables()] == ["state"]
    same_as_litert(model, graph)


def test_shapes_that_keras_computes_become_constants() -> None:
    """Flatten and Reshape of converted Keras models: SHAPE, STRIDED_SLICE, PACK, RESHAPE."""
    b = ModelBuilder().tensor("x", (1, 2, 3), "float32")
    b.tensor("shape", (3,), "int32").op("SHAPE", ["x"], ["shape"], options={"out_type": "int32"})
    for name, value in (("begin", 0), ("end", 1), ("stride", 1)):
        b.tensor(name, (1,), "int32", data=[value])
    b.tensor("batch", (), "int32")
    b.op("STRIDED_SLICE", ["shape", "begin", "end", "stride"], ["batch"], options={"shrink_axis_mask": 1})
    b.tensor("six", (), "int32", data=6).tensor("target", (2,), "int32")
    b.op("PACK", ["batch", "six"], ["target"], options={"values_count": 2, "axis": 0})
    b.tensor("y", (1, 6), "float32").op("RESHAPE", ["x", "target"], ["y"]).inputs(["x"]).outputs(["y"])
    graph = load_tflite(b.build())
    assert [op.type for op in graph.ops] == ["reshape"]
    np.testing.assert_array_equal(graph.tensors["target"].data, [1, 6])


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_compressed_weights_are_unpacked(dtype: str) -> None:
    """Float models with float16 or int8 weights behind DEQUANTIZE are float models."""
    stored = np.arange(-3, 3).reshape(3, 2)
    b = ModelBuilder().tensor("x", (1, 2), "float32")
    b.tensor("packed", (3, 2), dtype, data=stored, scale=[0.5, 0.25, 0.125] if dtype == "int8" else None, axis=0)
    b.tensor("w", (3, 2), "float32").op("DEQUANTIZE", ["packed"], ["w"])
    b.tensor("y", (1, 3), "float32").op("FULLY_CONNECTED", ["x", "w", None], ["y"]).inputs(["x"]).outputs(["y"])
    model = b.build()
    graph = load_tflite(model)
    assert [op.type for op in graph.ops] == ["fully_connected"]
    factor = [[0.5], [0.25], [0.125]] if dtype == "int8" else 1.0
    np.testing.assert_array_equal(graph.tensors["w"].data, (stored * np.array(factor)).astype(np.float32))
    same_as_litert(model, graph, exact=False)


def test_no_native_code_and_no_tensorflow_in_our_process(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(relu().build())
    program = (
        "import sys, mcu_gen.frontends as f; f.load(sys.argv[1]);"
        "assert not [m for m in sys.modules if m.split('.')[0] in ('tensorflow', 'ai_edge_litert')];"
        "assert 'LiteRt' not in open('/proc/self/maps').read()"
    )
    root = Path(__file__).resolve().parents[2] / "codegen"
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, timeout=60, env={"PYTHONPATH": str(root)})


def test_text_form_names_everything() -> None:
    text = to_text(load_tflite(int8_network().build(), "net"))
    assert text.startswith("graph net\n  in  image: int8[1,6,6,3] (s=0.02, z=-5)\n")
    assert "conv: int8[1,6,6,4] (s=0.1, z=3) = conv2d(padded, w1, b1) activation=none" in text
    assert "  w1: int8[4,3,3,3] (s=4 x axis 0) constant\n" in text
    assert "  out probabilities\n" in text


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "operators"),
    [
        ("hello_world_int8", 3), ("hello_world_float", 3), ("dscnn_kws_int8", 13), ("resnet8_int8", 16),
        ("resnet8_float", 16), ("mobilenet_vww_int8", 31), ("mcunet_vww1_int8", 63),
    ],
)  # fmt: skip
def test_public_models(shared: Path, name: str, operators: int) -> None:
    assert len(load_tflite(shared / "models" / f"{name}.tflite").ops) == operators


@pytest.mark.shared
def test_public_hybrid_model_is_refused(shared: Path) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        load_tflite(shared / "models" / "dscnn_kws_float.tflite")
    assert len(caught.value.reasons) == 5  # the pointwise convolutions, all at once
    assert "mcu-gen quantize" in caught.value.hints[0]
