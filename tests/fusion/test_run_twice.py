"""Operators that run twice where a global statistic and a later operator read one map: same bits, and when it pays."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from fusion import test_search as search_tests
from fusion.executor import ArenaExecutor
from fusion.networks import BOARD, Network, random_inputs, tile_kernel
from fusion.test_search import every_choice
from fusion.test_segments import stretch_of
from mcu_gen import api
from mcu_gen.graph import DType, Graph, QuantParams
from mcu_gen.graph.executor import Executor
from mcu_gen.plan import Plan, make_plan, pareto, plan_data
from mcu_gen.plan import fusion as fusion_module
from mcu_gen.plan import run_twice as run_twice_module
from mcu_gen.plan.assemble import Layout, assemble
from mcu_gen.plan.axes import Columns, End, RowSchedule
from mcu_gen.plan.choose import Chooser
from mcu_gen.plan.fusion import Edges
from mcu_gen.plan.liveness import program
from mcu_gen.plan.run_twice import branches, kept_rows, run_twice, variants
from mcu_gen.plan.segment import Cut
from mcu_gen.plan.stretch import Stretch
from mcu_gen.quantize.writer import write_tflite
from support.fused import HOST, Run, layer_wise, run_on_host

KINDS = ("whole", "quantized")


def gate(n: Network, x: str, hidden: int = 4) -> str:
    """Squeeze and excitation: the map times what a small network makes of its averages."""
    depth = n.graph.tensors[x].shape[3]
    mean = n.op("mean", [x, n.constant("axes", np.array([1, 2], np.int32))], keep_dims=True)
    codes = QuantParams.per_tensor(1 / 256, -128) if n.dtype is DType.INT8 else None
    scale = n.op("logistic", [n.conv(n.op("relu", [n.conv(mean, hidden)]), depth)], codes)
    return n.op("mul", [x, scale], activation="none")


def gated(dtype: DType = DType.INT8, blocks: int = 1, depth: int = 24, size: int = 25) -> Graph:
    """Inverted bottlenecks with gates on the wide maps, on odd sizes."""
    n = Network(dtype, name="gated")
    x = n.conv(n.input("image", size, size - 2, 3), 6, 3, 2)
    for block in range(blocks):
        y = n.op("relu", [n.depthwise(n.conv(x, depth), 3, 2 if block else 1)])
        x = n.conv(gate(n, y), 6)
    return n.outputs(n.conv(x, 4, 3, 2))


def small() -> Graph:
    """Few operators: every choice can be tried."""
    n = Network()
    x = n.conv(n.input("image", 6, 5, 2), 2)
    y = n.conv(x, 12)
    mean = n.op("mean", [y, n.constant("axes", np.array([1, 2], np.int32))], keep_dims=True)
    return n.outputs(n.op("mul", [y, mean], activation="none"))


def prepare(graph: Graph, repeats: Mapping[str, str]) -> Stretch:
    prog = program(graph, [tile_kernel(node, BOARD) for node in graph.nodes()], BOARD)
    return Stretch(graph, prog, BOARD, range(len(prog.tasks)), repeats)


def changed_graphs(graph: Graph) -> list[tuple[Graph, dict[str, str]]]:
    stretch = stretch_of(graph)
    return [
        run_twice(graph, b, k, rows)
        for b in branches(stretch)
        for k in range(1, len(b.chain) + 1)
        for rows in (0, *kept_rows(stretch, b))
    ]


def assert_same_bits(plans: list[Plan], graph: Graph) -> None:
    inputs = random_inputs(graph, 7)
    expected = Executor(graph).run(inputs)
    for p in plans:
        for name, y in ArenaExecutor(p).run(inputs).items():
            assert np.array_equal(y, expected[name]), f"{name} differs at {p.ram_bytes} B"


def test_what_a_branch_is() -> None:
    """The multiplication waits for the average; its chain ends at the input, and goes on through an earlier gate."""
    found = branches(stretch_of(gated(blocks=2)))
    graph = gated(blocks=2)
    kinds = {op.name: op.type for op in graph.ops}
    assert [kinds[name] for name in found[0].late] == ["mul"]
    assert [kinds[name] for name in found[0].chain] == ["relu", "depthwise_conv2d", "conv2d", "conv2d"]
    assert [kinds[name] for name in found[1].chain[:5]] == ["relu", "depthwise_conv2d", "conv2d", "conv2d", "mul"]
    assert len(found[1].chain) == 8


def test_no_branch() -> None:
    """A reduction alone, a map that is an output, a map whose other reader does not need the reduction."""
    n = Network()
    x = n.conv(n.input("image", 6, 6, 2), 4)
    mean = n.op("mean", [x, n.constant("axes", np.array([1, 2], np.int32))], keep_dims=True)
    assert branches(stretch_of(n.outputs(mean))) == []
    other = n.conv(x, 3)
    assert branches(stretch_of(n.outputs(mean, other))) == []
    late = n.op("mul", [x, mean], activation="none")
    assert len(branches(stretch_of(n.outputs(late)))) == 1
    assert branches(stretch_of(n.outputs(late, x))) == []


@pytest.mark.parametrize("dtype", [DType.INT8, DType.FLOAT32])
def test_the_changed_graph_computes_the_same(dtype: DType) -> None:
    """Whole operators, every length: same outputs, names that say what they repeat, originals untouched."""
    graph = gated(dtype, 2)
    inputs = random_inputs(graph, 2)
    expected = Executor(graph).run(inputs)
    for changed, repeats in changed_graphs(graph):
        names = [op.name for op in changed.ops]
        moves = [op.name for op in changed.ops if op.type in ("slice", "concatenation")]
        assert len(moves) in (0, 5), "rows are kept, and joined twice with those below"
        assert len(set(names)) == len(names) == len(graph.ops) + len(repeats) + len(moves)
        assert all(name in (f"{of}.again", f"{of}.below") for name, of in repeats.items())
        assert {op.name for op in graph.ops} == set(names) - set(repeats) - set(moves)
        for name, y in Executor(changed).run(inputs).items():
            assert np.array_equal(y, expected[name])


@pytest.mark.parametrize("dtype", [DType.INT8, DType.FLOAT32])
def test_plans_on_the_front(dtype: DType) -> None:
    """Kept maps and maps computed twice: all have the same bits, and what repeats is counted."""
    graph = gated(dtype, size=17)
    plans = pareto(graph, BOARD, select=tile_kernel)
    assert any(p.repeats for p in plans)
    assert any(not p.repeats for p in plans)
    assert_same_bits(plans, graph)
    for p in plans:
        assert p.base_macs == plans[0].base_macs
        data = plan_data(p)
        assert data["macs"] == p.base_macs + p.extra_macs
        assert {s["layer"]: s["repeats"] for s in data["steps"] if s["repeats"]} == p.repeats


def test_when_it_wins() -> None:
    """Keeping the map is free of arithmetic and taken where it fits; one byte below, its operators run twice."""
    graph = gated(size=17)
    kept = make_plan(graph, BOARD, max_mac_overhead=0, select=tile_kernel)
    assert not kept.repeats
    assert not make_plan(graph, BOARD, max_ram=kept.ram_bytes, select=tile_kernel).repeats
    twice = make_plan(graph, BOARD, max_ram=kept.ram_bytes - 1, select=tile_kernel)
    assert twice.repeats
    assert twice.ram_bytes < kept.ram_bytes
    gated_map = next(iter(branches(stretch_of(graph)))).map
    assert twice.buffers[gated_map].bytes < graph.tensors[gated_map].bytes, "the map is never whole"
    least = make_plan(graph, BOARD, max_mac_overhead=300, select=tile_kernel)
    assert least.repeats
    assert make_plan(graph, BOARD, max_mac_overhead=twice.macs_overhead_pct, select=tile_kernel).repeats
    assert_same_bits([kept, twice, least], graph)


def test_no_choice_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    """For every limit and every budget, against all segmentations of all changed graphs."""
    monkeypatch.setattr(fusion_module, "SPLITS", (1, 2))
    monkeypatch.setattr(fusion_module, "sizes", lambda extent: [s for s in (1, 2) if s < extent] or [1])
    monkeypatch.setattr(run_twice_module, "PARTS", 1)
    check_all_choices(small())


def test_no_choice_is_better_where_rows_may_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers as a whole or row by row, half of the rows kept or none."""
    n = Network()
    y = n.conv(n.input("image", 8, 8, 1), 16)
    mean = n.op("mean", [y, n.constant("axes", np.array([1, 2], np.int32))], keep_dims=True)
    gated = n.op("mul", [y, mean], activation="none")
    graph = n.outputs(n.window("max_pool2d", gated, k=2, stride=2))

    def rows(end: End) -> list[tuple[Cut, RowSchedule, Columns]]:
        return [(Cut(1, end.width), RowSchedule(end, 1, 1), Columns(end, end.width))]

    monkeypatch.setattr(run_twice_module, "PARTS", 2)
    monkeypatch.setattr(fusion_module, "cuts", rows)
    monkeypatch.setattr(search_tests, "cuts", rows)
    kept = check_all_choices(graph)
    assert kept, "rows are kept where that is best"


def check_all_choices(graph: Graph) -> list[Layout]:
    """The search against brute force; returns the plans found that keep rows."""
    stretches = [stretch_of(graph), *(prepare(*changed) for changed in changed_graphs(graph))]
    points = set()
    for stretch in stretches:
        for choice in every_choice(stretch, "whole"):
            layout = assemble(stretch, choice)
            points.add((layout.placement.arena_bytes, layout.extra_macs))
    chooser = Chooser(stretches[:1], lambda edges: variants(edges, KINDS, prepare))
    assert chooser.widen()
    assert len(chooser.stretches) == len(stretches)
    kept: list[Layout] = []
    for limit in sorted({arena for arena, _ in points}):
        found = chooser.fewest_macs(["whole"], limit)
        assert found is not None
        kept += [found] if any(name.endswith(".below") for name in found.stretch.repeats) else []
        assert found.placement.arena_bytes <= limit
        assert found.extra_macs <= min(extra for arena, extra in points if arena <= limit)
    for budget in sorted({extra for _, extra in points}):
        found = chooser.least_ram(["whole"], budget)
        assert found is not None
        assert found.extra_macs <= budget
        assert found.placement.arena_bytes <= min(arena for arena, extra in points if extra <= budget)
    return kept


def test_many_branches() -> None:
    """More branches than can be combined: those at the peak are tried, and the least memory goes down."""
    graph = gated(blocks=4, size=17)
    start = Edges.of(stretch_of(graph))
    found = variants(start, KINDS, prepare)
    assert 0 < len(found) < 100

    def least(edges: Edges) -> int:
        return min(path.bytes for path in fusion_module.front(edges.of_kind("whole"), len(edges.stretch)))

    assert min(map(least, found)) < least(start)


@pytest.mark.parametrize("dtype", [DType.INT8, DType.FLOAT32])
def test_generated_code(dtype: DType) -> None:
    """The kernels of the library on the host, compiled with sanitizers."""
    graph = gated(dtype, size=17)
    plans = [p for p in pareto(graph, HOST) if p.repeats]
    assert any(name.endswith(".below") for name in plans[0].repeats), "some rows are kept"
    assert not any(name.endswith(".below") for name in plans[-1].repeats), "and none"
    samples = [[x[n] for n in graph.inputs] for x in (random_inputs(graph, k) for k in range(2))]
    runs = [Run(f"n{k}", p, samples) for k, p in enumerate([layer_wise(graph), plans[0], plans[-1]])]
    with tempfile.TemporaryDirectory() as folder:
        whole, *twice = run_on_host(Path(folder), runs)
    for outputs in twice:
        for a, b in zip(whole, outputs, strict=True):
            assert [x.tobytes() for x in a] == [y.tobytes() for y in b]


@pytest.mark.qemu
def test_on_an_emulated_board(tmp_path: Path) -> None:
    """In less memory than any plan that keeps the map needs, LiteRT's bits."""
    graph = gated(size=17)
    path = tmp_path / "gated.tflite"
    path.write_bytes(write_tflite(graph))
    board = "mps2_an386"
    kept = api.plan(path, board, max_mac_overhead=0)
    assert not kept.repeats
    options = api.PlanOptions(max_ram=kept.ram_bytes - 1)
    found = api.validate(path, board, api.Check(on="qemu", samples=2, options=options, out=tmp_path / "p"))
    assert found["mismatches"] == 0, found["first_mismatch"]
    assert found["ram_bytes"] < kept.ram_bytes
    assert found["macs_overhead_pct"] > 0
    profile = api.profile(tmp_path / "p")
    assert any(layer["name"].endswith(".again") for layer in profile["layers"])
    assert profile["total"]["macs_once"] == kept.base_macs < profile["total"]["macs"]
