"""Weights in 16 bits within a limit of flash: the best choice, never beyond the limit, and the same bits."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_gen import api
from mcu_gen.errors import DoesNotFitError
from mcu_gen.plan.expand import ExpandedChoice, Option, expand, most_saved, options
from mcu_gen.plan.planner import make_plan
from mcu_gen.plan.types import Plan
from mcu_gen.targets import Target, load_target

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits_int8.tflite"
CORE = Target("core", features=frozenset({"dsp"}))

OFFERS = st.lists(
    st.builds(Option, st.just("w"), st.integers(1, 40).map(lambda n: 4 * n), st.integers(1, 1000)), max_size=9
)


def spent(plan: Plan) -> int:
    return sum(s.kernel.cost(s.node, plan.target) for s in plan.steps)


@given(OFFERS, st.integers(0, 800))
def test_no_other_choice_saves_more(offers: list[Option], room: int) -> None:
    chosen = most_saved(offers, room)
    assert sum(o.bytes for o in chosen) <= room
    subsets = itertools.chain.from_iterable(itertools.combinations(offers, n) for n in range(len(offers) + 1))
    best = max(sum(o.saved for o in s) for s in subsets if sum(o.bytes for o in s) <= room)
    assert sum(o.saved for o in chosen) == best


def test_a_room_beyond_the_table_is_filled_to_a_fraction() -> None:
    rng = np.random.default_rng(1)
    offers = [Option(f"w{i}", int(n), int(n)) for i, n in enumerate(rng.integers(1000, 100_000, 40))]
    chosen = most_saved(offers, 1_000_000)
    assert 999_000 <= sum(o.bytes for o in chosen) <= 1_000_000
    assert most_saved(offers, -1) == []


def test_more_flash_takes_fewer_instructions_and_never_more_than_allowed() -> None:
    graph = api.load(DIGITS)
    plain = make_plan(graph, CORE)
    least = plain.constant_bytes
    offers = options(graph, CORE)
    assert len(offers) >= 3
    before = spent(plain)
    for room in (0, 200, 1000, 3000, 1 << 20):
        plan = make_plan(graph, CORE, max_flash=least + room)
        assert plan.constant_bytes <= least + room
        assert plan.arena_bytes == plain.arena_bytes
        assert spent(plan) <= before
        before = spent(plan)
    wide = {s.node.name for s in plan.steps if s.kernel.expanded}
    assert len(wide) == len(offers)
    assert spent(plan) == spent(plain) - sum(o.saved for o in offers)
    assert not any(s.kernel.expanded for s in plain.steps)


def test_a_limit_below_the_smallest_names_the_smallest() -> None:
    graph = api.load(DIGITS)
    least = make_plan(graph, CORE).constant_bytes
    assert not any(s.kernel.expanded for s in make_plan(graph, CORE, max_flash=least).steps)
    with pytest.raises(DoesNotFitError, match=f"{least:,} B") as caught:
        make_plan(graph, CORE, max_flash=least - 1)
    assert f"--max-flash {least} " in caught.value.hints[0]


@pytest.mark.parametrize("board", ["rv32_virt", "mps3_an547"])
def test_cores_that_gain_nothing_keep_8_bits(board: str) -> None:
    graph, target = api.load(DIGITS), load_target(board)
    plan = make_plan(graph, target, max_flash=1 << 20)
    assert [s.kernel.name for s in plan.steps] == [s.kernel.name for s in make_plan(graph, target).steps]
    assert expand(graph, target, 1 << 20) == ExpandedChoice(frozenset())


def test_fused_plans_use_the_same_weights() -> None:
    graph, target = api.load(DIGITS), load_target("mps2_an386")
    layers = make_plan(graph, target, max_flash=1 << 20)
    fused = make_plan(graph, target, max_flash=1 << 20, input_mode="rows")
    assert fused.segments
    wide = {s.node.name for s in layers.steps if s.kernel.expanded}
    assert wide
    assert {s.node.name for s in fused.steps if s.kernel.expanded} == wide
    assert fused.constant_bytes == layers.constant_bytes


@pytest.mark.qemu
def test_the_firmware_computes_the_same_bits(tmp_path: Path) -> None:
    check = api.Check(on="qemu", samples=4, out=tmp_path / "p", options=api.PlanOptions(max_flash=1 << 20))
    assert api.validate(DIGITS, "mps2_an386", check)["mismatches"] == 0
    assert api.open_project(tmp_path / "p").data["options"]["max-flash"] == str(1 << 20)
