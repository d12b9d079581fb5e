"""Writing .tflite: what is written loads as the same graph, and LiteRT takes it."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from mcu_gen.errors import UnsupportedModelError
from mcu_gen.frontends import load_tflite
from mcu_gen.graph import Executor, Graph
from mcu_gen.passes import run_passes
from mcu_gen.quantize import write_tflite
from mcu_gen.run.oracle import OracleError, OracleJob, run_litert_many
from quantize.models import classifier
from support.tflite_builder import ModelBuilder
from support.three_way import compare, random_samples

TABLES = sorted(p.stem for p in (Path(__file__).parents[1] / "ops").glob("cases_*.py"))


def outline(graph: Graph) -> list[object]:
    """Everything that a model file says, in comparable form."""
    tensors = [
        (t.name, t.shape, t.dtype, t.variable)
        + ((t.quant.scale.tolist(), t.quant.zero_point.tolist(), t.quant.axis) if t.quant is not None else ())
        + ((t.data.tobytes(),) if t.data is not None else ())
        for t in graph.tensors.values()
    ]
    ops = [(op.type, op.inputs, op.outputs, dict(op.attrs)) for op in graph.ops]
    return [tensors, ops, graph.inputs, graph.outputs]


@pytest.mark.parametrize("table", TABLES)
def test_every_operator_survives_the_round_trip(table: str) -> None:
    """All cases of all operators: load, write, load gives the same graph; LiteRT computes the same with it."""
    cases = importlib.import_module(f"ops.{table}").CASES
    jobs, expected = [], []
    for number, case in enumerate(cases):
        model = case.build()
        graph = load_tflite(model, "case")
        written = write_tflite(graph)
        assert outline(load_tflite(written, "case")) == outline(graph), case.name
        if case.oracle and number % 9 == 0:
            # what the case states, where it does: an operator may not take every input
            samples = random_samples(graph, case.name, 1) if case.inputs is None else [list(case.inputs[0])]
            jobs += [OracleJob(model, samples), OracleJob(written, samples)]
            expected.append(case.name)
    results = run_litert_many(jobs)
    for name, before, after in zip(expected, results[::2], results[1::2], strict=True):
        assert not isinstance(before, OracleError), f"{name}: {before}"
        assert not isinstance(after, OracleError), f"{name}: {after}"
        assert not compare(before.outputs, after.outputs, 0.0), name


def test_equal_graphs_give_equal_bytes() -> None:
    graph = load_tflite(classifier(), "m")
    assert write_tflite(graph) == write_tflite(load_tflite(write_tflite(graph), "m"))


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_padding_that_a_pass_fused_is_written_as_an_operator(dtype: str) -> None:
    quant = {"scale": 0.5, "zero_point": 9} if dtype == "int8" else {}
    b = ModelBuilder()
    b.tensor("x", (1, 4, 4, 2), dtype, **quant)
    b.tensor("p", (4, 2), "int32", data=[[0, 0], [0, 2], [1, 0], [0, 0]])
    b.tensor("xp", (1, 6, 5, 2), dtype, **quant)
    b.tensor("w", (3, 3, 3, 2), dtype, data=np.arange(54) - 20, **({"scale": 0.1} if quant else {}))
    b.tensor("b", (3,), "int32" if quant else dtype, data=[1, 2, 3], **({"scale": 0.05} if quant else {}))
    b.tensor("y", (1, 4, 3, 3), dtype, **quant)
    b.op("PAD", ["x", "p"], ["xp"])
    b.op("CONV_2D", ["xp", "w", "b"], ["y"], options={"padding": "valid", "stride_h": 1, "stride_w": 1})
    graph = load_tflite(b.inputs(["x"]).outputs(["y"]).build(), "m")
    fused = run_passes(graph)
    assert [op.type for op in fused.ops] == ["conv2d"]
    again = load_tflite(write_tflite(fused), "m")
    assert [op.type for op in again.ops] == ["pad", "conv2d"]
    for (x,) in random_samples(graph, dtype):
        np.testing.assert_array_equal(Executor(again).run({"x": x})["y"], Executor(graph).run({"x": x})["y"])


def test_what_the_format_cannot_say_is_refused_with_all_reasons() -> None:
    graph = load_tflite(classifier(), "m")
    graph.ops[0] = graph.ops[0].replace(attrs={**graph.ops[0].attrs, "wings": 2})
    pool = next(i for i, op in enumerate(graph.ops) if op.type == "max_pool2d")
    graph.ops[pool] = graph.ops[pool].replace(
        attrs={**graph.ops[pool].attrs, "padding": "explicit", "pad": (1, 0, 0, 0)}
    )
    with pytest.raises(UnsupportedModelError) as caught:
        write_tflite(graph)
    assert len(caught.value.reasons) == 2
    assert "wings" in caught.value.reasons[0]
    assert "explicit" in caught.value.reasons[1]


@pytest.mark.shared
def test_shared_models_survive_the_round_trip(shared: Path) -> None:
    jobs, names = [], []
    for path in sorted((shared / "models").glob("*.tflite")):
        if path.stem == "dscnn_kws_float":
            continue  # dynamic-range: refused by the importer
        graph = load_tflite(path)
        samples = random_samples(graph, path.stem, 1)
        jobs += [OracleJob(path, samples), OracleJob(write_tflite(run_passes(graph)), samples)]
        names.append(path.stem)
    assert names
    results = run_litert_many(jobs)
    for name, before, after in zip(names, results[::2], results[1::2], strict=True):
        assert not isinstance(before, OracleError), name
        assert not isinstance(after, OracleError), f"{name}: {after}"
        assert not compare(before.outputs, after.outputs, 0.0), name
