"""Fused = layer by layer, bit for bit, in the generated C: random networks with branches, cut at random."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fusion.networks import random_inputs, random_network
from mcu_gen.emit.project import layer_data
from mcu_gen.graph import DType
from mcu_gen.graph.executor import Executor
from mcu_gen.kernels import select
from mcu_gen.plan.assemble import assemble
from mcu_gen.plan.axes import End
from mcu_gen.plan.fusion import cuts
from mcu_gen.plan.liveness import program
from mcu_gen.plan.planner import _plan
from mcu_gen.plan.segment import Family
from mcu_gen.plan.stretch import Stretch
from support.fused import HOST, Run, cut_at_random, layer_wise, run_on_host
from support.integer_networks import quantized
from train.networks import Network as Layers
from train.networks import build, conv, depthwise, op

#: Networks that are compiled into one program.
BATCH = 6

seeds = st.lists(st.integers(0, 1 << 30), min_size=BATCH, max_size=BATCH, unique=True)
#: A failure names its seed, and every network is small: there is no need to compile hundreds of programs to shrink it.
quiet = {"deadline": None, "phases": [Phase.generate], "suppress_health_check": list(HealthCheck)}


def check(drawn: list[int], dtype: DType) -> None:
    """Compiles every network layer by layer and in up to two random cuts; all must give the same bits."""
    runs: list[Run] = []
    references: list[tuple[Run, list[Run]]] = []
    for seed in drawn:
        graph = random_network(seed, dtype=dtype)
        rng = random.Random(seed)
        inputs = [random_inputs(graph, seed + k) for k in range(2)]
        samples = [[x[n] for n in graph.inputs] for x in inputs]
        cut = [plan for plan in (cut_at_random(graph, rng) for _ in range(2)) if plan is not None]
        whole = Run(f"n{len(runs)}", layer_wise(graph), samples)
        runs.append(whole)
        fused = []
        for plan in cut:
            fused.append(Run(f"n{len(runs)}", plan, samples))
            runs.append(fused[-1])
        references.append((whole, fused))
    assert len(runs) > len(drawn), "nothing was fused"
    with tempfile.TemporaryDirectory() as folder:
        outputs = dict(zip((r.net for r in runs), run_on_host(Path(folder), runs), strict=True))
    for seed, (whole, fused) in zip(drawn, references, strict=True):
        graph = whole.plan.graph
        for run in fused:
            for s, (a, b) in enumerate(zip(outputs[whole.net], outputs[run.net], strict=True)):
                for name, x, y in zip(graph.outputs, a, b, strict=True):
                    assert x.tobytes() == y.tobytes(), f"seed {seed}, sample {s}, {name}: fused differs"
        if dtype is DType.INT8:  # and both are right
            for sample, found in zip(whole.samples, outputs[whole.net], strict=True):
                expected = Executor(graph).run(dict(zip(graph.inputs, sample, strict=True)))
                for name, y in zip(graph.outputs, found, strict=True):
                    assert np.array_equal(y, expected[name]), f"seed {seed}: {name} is not what the operators say"


@pytest.mark.parametrize("dtype", [DType.INT8, DType.FLOAT32])
@settings(max_examples=2, **quiet)
@given(drawn=seeds)
def test_random_cuts(dtype: DType, drawn: list[int]) -> None:
    check(drawn, dtype)


def test_sums_over_kept_columns_start_anew_with_every_inference(tmp_path: Path) -> None:
    """Where columns are kept, the map that a mean sums over begins behind the first tile of its segment."""
    layers = [conv(5, (3, 3), activation="relu"), depthwise((3, 3)), op("mean")]
    made = quantized(build(Layers("columns", (1, 12, 16, 3), layers)), count=3)
    prog = program(made.graph, [select(node, HOST) for node in made.graph.nodes()], HOST)
    stretch = Stretch(made.graph, prog, HOST, range(len(prog.tasks)))
    end = End.at(stretch, 2)
    families = [Family(end, *found) for found in cuts(end) if found[0].keep_x and found[2].count > 2]
    options = [o for f in families for o in f.options(stream=False, whole=True, ceiling=1 << 40) if o.first == 0]
    chosen = [(f, o) for f in families for o in options if o.cut == f.cut][::5]
    plans = [_plan(made.graph, HOST, prog, assemble(stretch, [pair]), None) for pair in chosen]
    assert any(p.segments[0].tensors["mean2"].x[0] == (0, 0) for p in plans)
    runs = [Run(f"n{i}", plan, made.samples) for i, plan in enumerate(plans)]
    want = [Executor(made.graph).run({"x": s[0]})["mean2"] for s in made.samples]
    for found in run_on_host(tmp_path, runs):
        assert all(np.array_equal(got[0], y) for got, y in zip(found, want, strict=True))
    layers_of = [layer for plan in plans for layer in layer_data(plan)]
    assert all(layer["computed_macs"] >= layer["macs"] for layer in layers_of)
    assert any(layer["computed_macs"] == layer["macs"] > 0 for layer in layers_of)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [DType.INT8, DType.FLOAT32])
@settings(max_examples=60, **quiet)
@given(drawn=seeds)
def test_many_random_cuts(dtype: DType, drawn: list[int]) -> None:
    check(drawn, dtype)
