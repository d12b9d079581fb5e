"""How far outputs may overlap inputs, and how much scratch is used: what kernels declare is what the C does.

A kernel that declares ``{(i, o): lead}`` runs with output ``o`` exactly ``lead`` bytes below input ``i``, and must
still compute what the executor computes; the sanitizers see every byte outside inputs, outputs and scratch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcu_gen.graph import operators
from mcu_gen.kernels import Kernel, kernels
from mcu_gen.plan.planner import make_plan
from mcu_gen.plan.types import Plan
from mcu_gen.targets import FEATURES, Target
from ops.test_three_way import TABLES, table
from support.images import convolution, pool
from support.three_way import Build, Case, Prepared, prefer, prepare, run_generated_c

HOST = Target("host", features=frozenset(FEATURES))


def overlapped(plan: Plan, pair: tuple[int, int], lead: int) -> Plan:
    """A plan of one step with output ``pair[1]`` at 0, input ``pair[0]`` at ``lead``, and everything else above."""
    node = plan.steps[0].node
    x, y = node.input(pair[0]), node.outputs[pair[1]]
    offsets = {y.name: 0, x.name: lead}
    top = max(y.bytes, lead + x.bytes)
    for name, buffer in plan.buffers.items():
        if name not in offsets:
            top = -(-top // 16) * 16
            offsets[name] = top
            top += buffer.bytes
    return dataclasses.replace(plan, offsets=offsets, arena_bytes=max(top, 1))


def served(p: Prepared) -> Iterator[tuple[Kernel, Plan]]:
    """Every kernel that serves a one-operator case, with the plan of one step that uses it."""
    nodes = list(p.graph.nodes())
    if len(nodes) != 1:
        return
    for kernel in kernels():
        if nodes[0].type in kernel.ops and kernel.rejects(nodes[0], HOST) is None:
            plan = make_plan(p.graph, HOST, select=prefer(kernel))
            if len(plan.steps) == 1:
                yield kernel, plan


def pairs(p: Prepared) -> Iterator[tuple[Kernel, Plan, tuple[int, int], int]]:
    """The overlaps that the kernels of :func:`served` declare."""
    for kernel, plan in served(p):
        node = plan.steps[0].node
        for (i, o), lead in kernel.overlap(node, HOST).items():
            x = node.input(i)
            shared = sum(t is not None and t.name == x.name for t in node.inputs) > 1
            if not x.is_constant and not x.variable and not shared:
                yield kernel, plan, (i, o), lead


def builds_at(ready: list[Prepared], less: int = 0) -> list[Build]:
    """A build per case, kernel and pair; with ``less`` elements below the lead where there is room."""
    builds = []
    for p in ready:
        for kernel, plan, pair, lead in pairs(p):
            at = lead - less * plan.steps[0].node.y.dtype.size
            if at >= 0:
                title = f"{p.case.name} [{kernel.name}] {pair} lead {lead}"
                builds.append(Build(title, f"n{len(builds)}", p, overlapped(plan, pair, at)))
    return builds


def _random_windows(seed: int, count: int) -> list[Case]:
    """Convolutions and pools of random shape; their rows are short, so that leads are exceeded soon."""
    rng = np.random.default_rng(seed)

    def pick(*options: Any) -> Any:
        return options[int(rng.integers(len(options)))]

    cases = []
    for n in range(count):
        kind = pick("conv", "conv", "pointwise", "depthwise", "depthwise", "AVERAGE_POOL_2D", "MAX_POOL_2D")
        channels, multiplier = int(rng.integers(1, 6)), int(rng.integers(1, 4))
        size = (pick(1, 1, 2), int(rng.integers(1, 9)), int(rng.integers(1, 9)))
        taps = (int(rng.integers(1, 5)), int(rng.integers(1, 5)))
        stride = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
        common: dict[str, Any] = {"dtype": pick("int8", "int8", "int16"), "padding": "same", "stride": stride}
        build: Callable[[], bytes]
        if kind == "conv":
            depth = channels * pick(1, 1, 2)
            out = depth // channels * int(rng.integers(1, 7))
            more = {"filter": taps, "dilation": (pick(1, 1, 2), pick(1, 1, 2)), "channels": out, "filter_c": channels}
            build = partial(convolution, x=(*size, depth), **common, **more)
        elif kind == "pointwise":
            common |= {"stride": (1, 1), "dtype": "int8"}
            build = partial(
                convolution, x=(*size, channels), channels=int(rng.integers(1, 12)), filter=(1, 1), **common
            )
        elif kind == "depthwise":
            more = {"filter": taps, "dilation": (pick(1, 1, 2), pick(1, 1, 2)), "channels": channels * multiplier}
            build = partial(convolution, depthwise=True, x=(*size, channels), **common, **more)
        else:
            build = partial(pool, kind, x=(*size, channels), filter=taps, **common)
        cases.append(Case(f"{n} {kind} {[*size, channels]} taps {taps} stride {stride}", build))
    return cases


@pytest.fixture(scope="module")
def windows() -> list[Prepared]:
    ready, failures = prepare(_random_windows(7, 60))
    assert not failures, failures
    return ready


def test_windows_at_the_declared_lead(windows: list[Prepared], tmp_path: Path) -> None:
    builds = builds_at(windows)
    assert len({b.plan.steps[0].kernel.name for b in builds}) >= 8
    failures = run_generated_c(tmp_path, builds)
    assert not failures, "\n".join(f"{case}: {text}" for case, text in failures.items())


def test_a_smaller_lead_breaks_windows(windows: list[Prepared], tmp_path: Path) -> None:
    """The declared lead is the smallest one; this also shows that the test above can fail."""
    builds = builds_at(windows, less=1)
    failures = run_generated_c(tmp_path, builds)
    assert len(builds) >= 20
    assert len(failures) >= 0.7 * len(builds), f"{len(failures)} of {len(builds)} noticed"


@pytest.fixture(scope="module")
def quick() -> list[Prepared]:
    """The quick cases of all operators."""
    cases = [
        dataclasses.replace(case, name=f"{name.removeprefix('cases_')}: {case.name}", oracle=False)
        for name in TABLES
        for case in table(name)
        if case.quick
    ]
    ready, failures = prepare(cases)
    assert not failures, failures
    return ready


def test_quick_cases_of_all_operators_at_the_declared_lead(quick: list[Prepared], tmp_path: Path) -> None:
    failures = run_generated_c(tmp_path, builds_at(quick))
    assert not failures, "\n".join(f"{case}: {text}" for case, text in failures.items())


def test_planned_scratch_is_used_scratch(windows: list[Prepared], quick: list[Prepared], tmp_path: Path) -> None:
    """With one byte of scratch less than declared, AddressSanitizer stops every kernel that asks for scratch.

    (That it does not use more is shown by all other runs, which poison the rest of the arena.)
    """
    builds = []
    seen: set[str] = set()
    for p in (*quick, *windows):
        for kernel, plan in served(p):
            name = plan.steps[0].scratch
            if name is None:
                continue
            seen.add(kernel.name)
            small = dataclasses.replace(plan.buffers[name], bytes=plan.buffers[name].bytes - 1)
            start = -(-plan.arena_bytes // 16) * 16
            smaller = dataclasses.replace(
                plan,
                buffers={**plan.buffers, name: small},
                offsets={**plan.offsets, name: start},
                arena_bytes=start + small.bytes + 1,
            )
            builds.append(Build(f"{p.case.name} [{kernel.name}]", f"n{len(builds)}", p, smaller))
    of_models = {o.name for o in operators() if o.builtin}  # kernels of training steps: tests/train
    wanted = [k for k in kernels() if of_models.intersection(k.ops) and not k.of_training]
    asking = {k.name for k in wanted if type(k).scratch is not Kernel.scratch}
    assert asking <= seen, f"kernels with scratch that no quick case reaches: {sorted(asking - seen)}"
    failures = run_generated_c(tmp_path, builds)
    missed = {b.title for b in builds} - set(failures)
    assert not missed, f"these do not use all of their scratch: {sorted(missed)}"
    assert all("AddressSanitizer" in text for text in failures.values()), failures
