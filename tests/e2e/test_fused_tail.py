"""A fully connected layer at the end of a segment: it takes its map in tile by tile, and the bits stay the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fusion.networks import Network, random_inputs
from mcu_gen import api
from mcu_gen.graph import DType, Graph
from mcu_gen.graph.executor import Executor
from mcu_gen.plan import make_plan, pareto
from mcu_gen.plan.flatten import flatten
from mcu_gen.quantize.writer import write_tflite
from mcu_gen.targets import Target
from support.fused import HOST, Run, layer_wise, run_on_host

#: The scalar definitions of what two multiplications per instruction do, and the kernels that end segments then.
DSP = Target("host", features=frozenset({"dsp"}))
TAILS = {DType.INT8: "fully_connected_parts_s8_dsp", DType.FLOAT32: "fully_connected_parts_f32"}


def tailed(dtype: DType = DType.INT8, size: int = 19) -> Graph:
    """Two convolutions, and a classifier on all of their map: much larger than what comes before and after."""
    n = Network(dtype, name="tailed")
    x = n.conv(n.conv(n.input("image", size, size - 4, 3), 6, 3, 2), 32, 3)
    flat = n.op("reshape", [x, n.constant("shape", np.array([1, -1], np.int32))])
    return n.outputs(n.dense(flat, 10))


def test_the_reshape_goes_away() -> None:
    graph = tailed()
    flat = flatten(graph)
    assert [op.type for op in flat.ops] == ["conv2d", "conv2d", "fully_connected"]
    assert [op.type for op in graph.ops] == ["conv2d", "conv2d", "reshape", "fully_connected"]
    inputs = random_inputs(graph, 1)
    for name, y in Executor(flat).run(inputs).items():
        assert np.array_equal(y, Executor(graph).run(inputs)[name])
    graph.outputs.append(graph.ops[2].outputs[0])
    assert flatten(graph) is graph, "the vector is an output"


@pytest.mark.parametrize("dtype", [DType.INT8, DType.FLOAT32])
def test_the_map_is_never_whole(dtype: DType, tmp_path: Path) -> None:
    """The search finds it without any multiply-accumulate done twice; sanitizers watch the C."""
    graph = tailed(dtype)
    whole = layer_wise(graph)
    least = make_plan(graph, HOST, max_mac_overhead=0, input_mode="keep")
    (segment,) = (s for s in least.segments if s.last == len(least.steps) - 1)
    last = least.steps[-1]
    assert last.kernel.name.startswith("fully_connected_parts")
    assert least.buffers[last.node.x.name].bytes * 3 < last.node.x.bytes
    assert last.scratch is not None
    assert least.buffers[last.scratch].first == segment.first, "the sums live from tile to tile"
    assert least.ram_bytes < whole.ram_bytes
    if dtype is DType.FLOAT32:
        assert segment.n_x == 1, "sums of floats depend on the order of their terms"
    fused = [p for p in pareto(graph, HOST) if p.segments][:3]
    fused.append(make_plan(graph, DSP, max_mac_overhead=0))
    assert fused[-1].steps[-1].kernel.name == TAILS[dtype]
    samples = [[random_inputs(graph, k)["image"]] for k in range(2)]
    runs = [Run(f"n{k}", p, samples) for k, p in enumerate([whole, least, *fused])]
    expected, *found = run_on_host(tmp_path, runs)
    for outputs in found:
        assert all(np.array_equal(a[0], b[0]) for a, b in zip(expected, outputs, strict=True))


@pytest.mark.qemu
def test_on_an_emulated_board(tmp_path: Path) -> None:
    path = tmp_path / "tailed.tflite"
    path.write_bytes(write_tflite(tailed()))
    options = api.PlanOptions(max_mac_overhead=0, input_mode="rows")
    found = api.validate(path, "mps2_an386", api.Check(on="qemu", samples=2, options=options))
    assert found["segments"] > 0
    assert found["mismatches"] == 0, found["first_mismatch"]
    assert found["ram_bytes"] < api.plan(path, "mps2_an386", max_mac_overhead=0, input_mode="keep").ram_bytes
