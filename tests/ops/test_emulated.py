"""The quick cases of every operator on every emulated core, and that no operator or kernel is left out there."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mcu_gen.graph import operators
from mcu_gen.targets import list_targets, load_target
from ops.test_three_way import TABLES, table
from support.emulated import available, core_builds, run_on_core
from support.three_way import Prepared, prepare

CORES = [t.name for t in list_targets() if "qemu" in t.emulators]

pytestmark = pytest.mark.qemu


@pytest.fixture(scope="session")
def quick_cases() -> list[Prepared]:
    """All quick cases, with LiteRT's outputs."""
    cases = [
        dataclasses.replace(case, name=f"{name.removeprefix('cases_')}: {case.name}")
        for name in TABLES
        for case in table(name)
        if case.quick
    ]
    ready, failures = prepare(cases)
    assert not failures, failures
    return ready


@pytest.mark.parametrize("board", CORES)
def test_core_computes_what_litert_computes(board: str, quick_cases: list[Prepared], tmp_path: Path) -> None:
    target = load_target(board)
    failures = run_on_core(tmp_path, core_builds(quick_cases, target), target)
    assert not failures, "\n".join(f"{case}: {text}" for case, text in failures.items())


@pytest.mark.parametrize("board", CORES)
def test_every_operator_and_kernel_runs_on_core(board: str, quick_cases: list[Prepared]) -> None:
    target = load_target(board)
    builds = core_builds(quick_cases, target)
    run_ops = {node.type for b in builds for node in b.plan.graph.nodes()}
    run_kernels = {step.kernel.name for b in builds for step in b.plan.steps}
    of_models = {o.name for o in operators() if o.builtin}  # the operators of training steps: tests/train
    idle_ops = sorted(of_models - run_ops)
    of_files = [k for k in available(target) if of_models.intersection(k.ops) and not k.of_training]
    idle_kernels = sorted({k.name for k in of_files} - run_kernels)
    assert idle_ops == [], f"operators without a quick case: {idle_ops}"
    assert idle_kernels == [], f"kernels that no quick case reaches: {idle_kernels}"


def test_the_five_cores_are_there() -> None:
    assert {load_target(c).cpu for c in CORES} >= {"cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"}
    assert any(c.startswith("rv32") for c in CORES)
