"""Predicted instructions of plans, and cycles that say that they are an estimate."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.counting import count_plans
from bench.mix import CLASSES, Instruction, arm_events, build_plugin, events_of_plans, riscv_events
from bench.rates import measurable
from bench.steps import LARGE
from mcu_gen import api
from mcu_gen.frontends import load_tflite
from mcu_gen.kernels.rates import MEASURED, measured
from mcu_gen.plan.describe import plan_data
from mcu_gen.plan.estimate import estimate_plan, estimate_steps
from mcu_gen.plan.planner import make_plan
from mcu_gen.targets import EVENTS, TIMED, Timing, list_targets, load_target, timing_of
from support.small_models import float_network
from train.test_cores import trainer

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits_int8.tflite"


def test_cycles_are_instructions_and_what_events_add() -> None:
    timing = Timing("a manual", {"memory": 1.0, "divide": 6.0})
    assert timing.cycles(1000, {"memory": 0.25, "divide": 0.01, "stall": 0.5}) == pytest.approx(1310)


@pytest.mark.parametrize("board", ["mps2_an386", "nucleo_f446re", "hifive1_revb"])
def test_cores_with_published_timings_have_cycles(board: str) -> None:
    target = load_target(board)
    plan = api.plan(DIGITS, target)
    data = plan_data(plan)["estimate"]
    assert data["instructions"] == sum(s.kernel.cost(s.node, target) for s in plan.steps)
    assert data["instructions"] < data["cycles"] < 3 * data["instructions"]
    timing = timing_of(target)
    assert timing is not None
    assert data["source"] == timing.source


def test_other_cores_have_none() -> None:
    estimate = plan_data(api.plan(DIGITS, "mps3_an547"))["estimate"]
    assert estimate["instructions"] > 0
    assert (estimate["cycles"], estimate["source"]) == (None, None)
    timed = {t.cpu for t in list_targets() if timing_of(t) is not None}
    assert timed == {"cortex-m4", "rv32imac"}


def test_real_numbers_without_hardware_are_not_predicted() -> None:
    graph = load_tflite(float_network().build(), "float")
    for board, known in (("hifive1_revb", False), ("nucleo_f446re", True)):
        plan = api.plan(graph, board)
        assert (estimate_plan(plan, estimate_steps(plan)).instructions is not None) == known


def test_fused_plans_count_what_tiles_compute_again() -> None:
    layers, fused = api.plan(DIGITS, "mps2_an386"), api.plan(DIGITS, "mps2_an386", input_mode="rows")
    assert fused.segments
    whole, parts = (estimate_plan(p, estimate_steps(p)).instructions for p in (layers, fused))
    assert whole is not None
    assert parts is not None
    assert parts >= 0.99 * whole


def test_every_kernel_of_the_timed_instruction_sets_has_events() -> None:
    for feature in TIMED:
        own = {k.name for k in measurable(load_target(MEASURED[feature]))}
        assert own <= set(measured("events")[feature]), "python tests/bench/mix.py --write"
        for events in measured("events")[feature].values():
            assert set(events) <= set(EVENTS)
            assert all(0 < n < 12 for n in events.values())


def test_events_are_read_from_a_disassembly() -> None:
    thumb = [
        Instruction(0, "ldr", ("r1", "[r0, #4]")),  # two cycles
        Instruction(2, "ldrb", ("r2", "[r0]")),  # behind a load: one
        Instruction(4, "adds", ("r1", "r1", "r2")),
        Instruction(6, "str", ("r1", "[r0]")),
        Instruction(8, "ldmia", ("r0!", "{r4-r7, lr}")),
        Instruction(12, "ldrd", ("r2", "r3", "[r1]")),
        Instruction(16, "sdiv", ("r2", "r3", "r1")),
        Instruction(20, "vfma.f32", ("s0", "s1", "s2")),
    ]
    assert list(arm_events(thumb)) == [
        (0, "memory", 1), (6, "memory", 1), (8, "word", 5), (12, "word", 2), (16, "divide", 1),
        (20, "float multiply-add", 1),
    ]  # fmt: skip
    riscv = [
        Instruction(0, "lb", ("a1", "0(a0)")),  # read by the second one behind it: one cycle of three is left
        Instruction(4, "addi", ("a2", "a2", "1")),
        Instruction(8, "add", ("a3", "a1", "a2")),
        Instruction(12, "mul", ("a4", "a3", "a2")),
        Instruction(16, "sw", ("a4", "0(a0)")),
        Instruction(20, "lw", ("a5", "4(a0)")),
        Instruction(24, "ret", ()),
    ]
    assert list(riscv_events(riscv)) == [(0, "stall", 1), (12, "stall", 4)]


@pytest.mark.qemu
def test_training_steps_are_predicted(tmp_path: Path) -> None:
    target = load_target("mps2_an386")
    plans = [make_plan(trainer(n, ""), target, fuse=False) for n in LARGE]
    for plan, counts in zip(plans, count_plans(plans, target, tmp_path), strict=True):
        steps = estimate_steps(plan)
        told = plan_data(plan)["estimate"]["training_step"]
        assert told == sum(s.instructions or 0 for s in steps)
        assert abs(told - sum(counts)) <= 0.1 * sum(counts)
        for step, estimate, count in zip(plan.steps, steps, counts, strict=True):
            assert estimate.instructions is not None
            off = abs(estimate.instructions - count)
            assert off <= 0.2 * count + 20, (step.node.name, step.kernel.name, estimate.instructions, count)


@pytest.mark.slow
@pytest.mark.qemu
@pytest.mark.parametrize("board", [MEASURED[f] for f in TIMED])
def test_the_plugin_counts_every_instruction(board: str, tmp_path: Path) -> None:
    target = load_target(board)
    plan = api.plan(DIGITS, target, fuse=False)
    for folder in ("counts", "events"):
        (tmp_path / folder).mkdir()
    (counts,) = count_plans([plan], target, tmp_path / "counts")
    (steps,) = events_of_plans([plan], target, tmp_path / "events", build_plugin(tmp_path))
    for step, count in zip(steps, counts, strict=True):
        events = dict(zip(CLASSES, step, strict=True))
        assert abs(events["instruction"] - count) <= 16 + count // 1000
        assert 0 < events["taken"] < count / 3
