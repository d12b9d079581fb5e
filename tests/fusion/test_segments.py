"""Fused = layer-wise, bit for bit, in the arena that was planned: random networks with branches, random cuts."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.executor import ArenaExecutor
from fusion.networks import BOARD, random_inputs, random_network, tile_kernel
from mcu_gen.graph import DType, Graph
from mcu_gen.graph.executor import Executor
from mcu_gen.plan.assemble import Layout, assemble
from mcu_gen.plan.axes import End
from mcu_gen.plan.fusion import cuts
from mcu_gen.plan.liveness import program
from mcu_gen.plan.planner import _plan
from mcu_gen.plan.segment import Family, Option
from mcu_gen.plan.stretch import Stretch
from mcu_gen.plan.types import Plan

NO_LIMIT = 1 << 40


def stretch_of(graph: Graph) -> Stretch:
    prog = program(graph, [tile_kernel(node, BOARD) for node in graph.nodes()], BOARD)
    return Stretch(graph, prog, BOARD, range(len(prog.tasks)))


def plan_of(stretch: Stretch, layout: Layout) -> Plan:
    return _plan(stretch.graph, BOARD, stretch.prog, layout, None)


def random_choice(stretch: Stretch, rng: random.Random) -> list[tuple[Family, Option]]:
    """Segments one after the other, each cut in a random way."""
    chosen: list[tuple[Family, Option]] = []
    position = 0
    while position < len(stretch):
        ends = [e for last in range(position, len(stretch)) if (e := End.at(stretch, last)).first <= last]
        rng.shuffle(ends)
        found = None
        for end in ends[:4]:
            cut, rows, columns = rng.choice(list(cuts(end)))
            family = Family(end, cut, rows, columns)
            options = [o for o in family.options(stream=True, whole=True, ceiling=NO_LIMIT) if o.first >= position]
            if options:
                option = rng.choice(options)
                limit = rng.choice([None, NO_LIMIT])
                found = family, family.option(option.first, option.streamed, limit)
                break
        if found is None:
            position += 1
            continue
        chosen.append(found)
        position = found[1].last + 1
    return chosen


@pytest.mark.parametrize("dtype", [DType.INT8, DType.FLOAT32])
@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_fused_is_layer_wise(dtype: DType, seed: int) -> None:
    graph = random_network(seed, dtype=dtype)
    stretch = stretch_of(graph)
    chosen = random_choice(stretch, random.Random(seed))
    layout = assemble(stretch, chosen)
    plan = plan_of(stretch, layout)
    inputs = random_inputs(graph, seed)
    expected = Executor(graph).run(inputs)
    run = ArenaExecutor(plan, seed)
    for name, y in run.run(inputs).items():
        assert np.array_equal(y, expected[name]), f"{name} differs"
    for segment, macs, copied in zip(plan.segments, run.macs, run.copied, strict=True):
        assert segment.macs == macs
        assert segment.copied_bytes == copied
    assert all(option.bytes <= layout.placement.arena_bytes for _, option in chosen)
