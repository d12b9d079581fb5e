"""Operator order: the least peak over all orders on small graphs, never above the model's own, always legal."""

from __future__ import annotations

import random
import time

import pytest

from mcu_gen.plan.liveness import Program, align, lifetimes, program
from mcu_gen.plan.order import Sequencer, best_order
from mcu_gen.plan.packing import Packing
from plan.reference import best_peak
from plan.synthetic import BOARD, Builder, random_dag


def as_program(b: Builder) -> Program:
    return program(b.graph, [b.kernels[op.name] for op in b.graph.ops], BOARD)


def is_legal(b: Builder, prog: Program, order: tuple[int, ...]) -> bool:
    known = set(b.graph.inputs)
    for i in order:
        if not set(prog.tasks[i].reads) <= known:
            return False
        known.update(prog.tasks[i].writes)
    return sorted(order) == list(range(len(prog.tasks)))


@pytest.mark.parametrize("seed", range(60))
def test_equal_to_all_permutations(seed: int) -> None:
    b = random_dag(seed, 3 + seed % 5)
    prog = as_program(b)
    tasks = []
    sizes = {n: align(s.bytes) for n, s in prog.storages.items()}
    for i, t in enumerate(prog.tasks):
        sizes[f"scratch{i}"] = align(t.scratch)
        tasks.append((set(t.reads), {*t.writes, f"scratch{i}"}))
    order = best_order(prog)
    assert order.optimal
    assert is_legal(b, prog, order.tasks)
    assert order.peak == best_peak(tasks, sizes, set(b.graph.outputs), set(b.graph.inputs))


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("overlaps", [False, True])
def test_never_above_the_own_order(seed: int, overlaps: bool) -> None:
    b = random_dag(seed, 40, overlaps, window=4 + seed % 8)
    prog = as_program(b)
    order = best_order(prog, states=3_000)
    assert is_legal(b, prog, order.tasks)
    assert order.peak <= Sequencer(prog).peak(range(len(prog.tasks)))
    assert order == best_order(prog, states=3_000)


@pytest.mark.parametrize("seed", range(30))
def test_peak_is_the_bound_of_the_packing(seed: int) -> None:
    """The order minimises what the packer is measured against: both count overlaps the same way."""
    b = random_dag(seed, 20, overlaps=True)
    for op in b.graph.ops:  # whole units, so that rounding is no difference
        tensor = b.graph.tensors[op.outputs[0]]
        b.graph.tensors[tensor.name] = tensor.replace(shape=(align(tensor.bytes),))
    prog = as_program(b)
    order = best_order(prog)
    buffers, overlaps = lifetimes(prog, order.tasks)
    bound = Packing(buffers.values(), overlaps).lower_bound
    assert order.peak - 16 < bound <= order.peak


def test_depth_first_through_branches() -> None:
    """Four wide branches that each end in a small tensor: one at a time, although the model runs them side by side."""
    b = Builder()
    x = b.input("x", 100)
    wide = [b.op(f"w{i}", (x,), 1000) for i in range(4)]
    small = [b.op(f"s{i}", (w,), 10) for i, w in enumerate(wide)]
    b.op("y", tuple(small), 40)
    b.outputs("y")
    prog = as_program(b)
    assert Sequencer(prog).peak(range(9)) == 112 + 4 * 1008
    assert best_order(prog).peak == 112 + 3 * 16 + 1008


def test_operators_on_variables_keep_their_order() -> None:
    rng = random.Random(3)
    for _ in range(10):
        b = Builder()
        x = b.input("x", 100)
        state = b.variable("state", 64)
        ends = [b.op(f"v{i}", (x, state), rng.randint(1, 900)) for i in range(4)]
        ends += [b.op(f"p{i}", (ends[i],), rng.randint(1, 900)) for i in range(4)]
        b.op("y", tuple(ends[4:]), 4)
        b.outputs("y")
        prog = as_program(b)
        order = best_order(prog).tasks
        assert [i for i in order if prog.tasks[i].stateful] == [0, 1, 2, 3]


def test_three_hundred_tensors_within_the_budget() -> None:
    b = random_dag(1, 300, overlaps=True, window=12)
    prog = as_program(b)
    start = time.perf_counter()
    order = best_order(prog)
    assert is_legal(b, prog, order.tasks)
    assert time.perf_counter() - start < 20  # a second or two on an idle machine
