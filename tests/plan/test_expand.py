"""Weights in 16 bits within a limit of flash: the best choice, never beyond the limit, and the same bits."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion.networks import Network
from mcu_gen import api
from mcu_gen.errors import DoesNotFitError, UsageError
from mcu_gen.graph import DType, Graph
from mcu_gen.plan.expand import ExpandedChoice, Option, expand, most_saved, options, smallest_bytes
from mcu_gen.plan.flatten import flatten
from mcu_gen.plan.limits import CODE_RESERVE_BYTES
from mcu_gen.plan.planner import make_plan
from mcu_gen.plan.types import Plan
from mcu_gen.targets import Region, Target, load_target

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


def shared_weights() -> Graph:
    """Two layers with the same weights; in little RAM the first one takes its map part by part, with 8 bits."""
    n = Network(DType.INT8, name="shared")
    x = n.conv(n.conv(n.input("image", 11, 9, 3), 8, 3), 32, 3, 2)
    first = n.dense(n.op("reshape", [x, n.constant("shape", np.array([1, -1], np.int32))]), 10)
    weights = n.graph.ops[-1].inputs[1:]
    wide = n.dense(first, n.graph.tensors[x].elements)
    attrs = {"activation": "none", "keep_dims": False, "weights_format": "default"}
    return n.outputs(n.op("fully_connected", [wide, *weights], **attrs))


def test_what_fusing_adds_to_the_tables_counts() -> None:
    graph = shared_weights()
    least = smallest_bytes(flatten(graph), CORE)
    limit = least + 13_000
    greedy = expand(flatten(graph), CORE, limit)
    layers = make_plan(graph, CORE, max_flash=limit)
    assert layers.constant_bytes <= limit
    assert sum(s.kernel.name == "fully_connected_w16_dsp" for s in layers.steps) == 2
    assert make_plan(graph, CORE, max_mac_overhead=0, input_mode="keep", select=greedy).constant_bytes > limit
    fused = make_plan(graph, CORE, max_mac_overhead=0, input_mode="keep", max_flash=limit)
    assert any(s.kernel.name == "fully_connected_parts_s8_dsp" for s in fused.steps)
    assert any(s.kernel.expanded for s in fused.steps)
    assert fused.constant_bytes <= limit
    with pytest.raises(DoesNotFitError, match="the limit --max-flash") as caught:
        make_plan(graph, CORE, max_mac_overhead=0, input_mode="keep", max_flash=least)
    enough = int(caught.value.hints[0].split()[1])
    plan = make_plan(graph, CORE, max_mac_overhead=0, input_mode="keep", max_flash=enough)
    assert least < plan.constant_bytes == enough


def in_flash(size: int) -> Target:
    return Target("core", features=frozenset({"dsp"}), regions=(Region("flash", 0x08000000, size, "flash"),))


def test_the_board_keeps_room_for_code() -> None:
    graph = api.load(DIGITS)
    least = make_plan(graph, CORE).constant_bytes
    roomy = make_plan(graph, in_flash(least + 3000 + CODE_RESERVE_BYTES), max_flash=1 << 20)
    assert least < roomy.constant_bytes <= least + 3000
    assert roomy.constant_bytes == make_plan(graph, CORE, max_flash=least + 3000).constant_bytes
    for size in (least, least + CODE_RESERVE_BYTES):
        assert make_plan(graph, in_flash(size), max_flash=1 << 20).constant_bytes == least
    for max_flash in (None, 1000, 1 << 20):
        with pytest.raises(DoesNotFitError, match=f"flash region flash of core has {least - 1:,} B") as caught:
            make_plan(graph, in_flash(least - 1), max_flash=max_flash)
        assert not any("--max-flash" in hint for hint in caught.value.hints)


def test_what_learns_leaves_flash_to_its_weights() -> None:
    board = load_target("nucleo_f446re")
    assert [board.program_flash(learns).size for learns in (False, True)] == [512 * 1024, 256 * 1024]
    assert load_target("mps2_an386").program_flash(True) == load_target("mps2_an386").region("flash")
    flash, store = Region("flash", 0, 1 << 20, "flash"), Region("store", 4096, 4096, "store")
    small = dataclasses.replace(board, regions=(flash, store, board.region("ram")))
    assert api.plan(DIGITS, small).constant_bytes > store.base
    with pytest.raises(DoesNotFitError, match="has 4,096 B"):
        api.plan(DIGITS, small, train="head")


def test_a_limit_and_a_choice_of_kernels_exclude_each_other() -> None:
    graph = api.load(DIGITS)
    with pytest.raises(UsageError, match="not both"):
        make_plan(graph, CORE, max_flash=1 << 20, select=expand(graph, CORE, 1 << 20))


@pytest.mark.qemu
def test_the_firmware_computes_the_same_bits(tmp_path: Path) -> None:
    check = api.Check(on="qemu", samples=4, out=tmp_path / "p", options=api.PlanOptions(max_flash=1 << 20))
    assert api.validate(DIGITS, "mps2_an386", check)["mismatches"] == 0
    assert api.open_project(tmp_path / "p").data["options"]["max-flash"] == str(1 << 20)
