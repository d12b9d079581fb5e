"""Offsets: optimal on small problems (against an exhaustive solver), legal and never above greedy on all."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_gen.plan.arena import greedy_by_size, pack, place, violations
from mcu_gen.plan.types import ALIGN, Buffer, Overlap
from plan.reference import collide, packable
from plan.synthetic import random_buffers


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.integers(0, 1 << 30), st.integers(1, 12), st.integers(2, 5))
def test_equal_to_the_exhaustive_optimum(seed: int, most: int, width: int) -> None:
    buffers, overlaps = random_buffers(seed, most, width)
    placement = place(buffers, overlaps)
    assert not violations(buffers, overlaps, placement.offsets)
    assert placement.optimal
    assert placement.lower_bound <= placement.arena_bytes
    assert packable(buffers, overlaps, placement.arena_bytes)
    assert not packable(buffers, overlaps, placement.arena_bytes - 1)


#: Problems where the sum of live bytes cannot be reached, so the optimum has to be proven by search.
GAP_SEEDS = [s for s in range(400) if (lambda p: p.arena_bytes > p.lower_bound)(place(*random_buffers(s, 12, 4)))]


def test_the_search_beyond_the_lower_bound_is_exercised() -> None:
    assert len(GAP_SEEDS) >= 10


@pytest.mark.parametrize("seed", GAP_SEEDS)
def test_optimal_above_the_lower_bound(seed: int) -> None:
    buffers, overlaps = random_buffers(seed, 12, 4)
    placement = place(buffers, overlaps)
    assert packable(buffers, overlaps, placement.arena_bytes)
    assert not packable(buffers, overlaps, placement.arena_bytes - 1)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 1 << 30), st.integers(13, 60), st.integers(3, 9))
def test_legal_and_never_above_greedy(seed: int, most: int, width: int) -> None:
    buffers, overlaps = random_buffers(seed, most, width)
    placement = place(buffers, overlaps, climb_budget=50_000, search_budget=50_000)
    lead = {(o.above, o.below): o.lead for o in overlaps}
    for i, a in enumerate(buffers):
        assert placement.offsets[a.name] % ALIGN == 0
        for b in buffers[:i]:
            if a.first <= b.last and b.first <= a.last:
                assert not collide(a, placement.offsets[a.name], b, placement.offsets[b.name], lead)
    assert placement.lower_bound <= placement.arena_bytes <= placement.greedy_bytes == greedy_by_size(buffers)
    assert placement.arena_bytes == max(placement.offsets[b.name] + b.bytes for b in buffers)


def test_same_result_every_time() -> None:
    buffers, overlaps = random_buffers(11, 40, 6)
    assert place(buffers, overlaps) == place(buffers, overlaps)


A, B, C = Buffer("a", 100, 0, 1), Buffer("b", 100, 1, 2), Buffer("c", 40, 1, 1)


@pytest.mark.parametrize(
    ("buffers", "overlaps", "arena"),
    [
        ([], [], 0),
        ([Buffer("z", 0, 0, 5)], [], 0),
        ([A], [], 100),
        ([A, B], [], 112 + 100),  # the upper one starts on the next multiple of 16 and ends with its last byte
        ([A, B], [Overlap("a", "b", 0)], 100),  # in place
        ([A, B], [Overlap("a", "b", 1)], 116),  # one byte of lead costs one unit of alignment
        ([A, B], [Overlap("a", "b", 500)], 212),  # a lead beyond the output is no constraint
        ([A, B, C], [Overlap("a", "b", 0)], 48 + 100),  # scratch stays disjoint from both
        ([A, Buffer("d", 100, 0, 1), B], [Overlap("a", "b", 0), Overlap("d", "b", 0)], 212),  # one input only is reused
        # an output as large as both inputs together lies under both
        ([Buffer("a", 48, 0, 1), Buffer("d", 48, 0, 1), Buffer("b", 96, 1, 2)],
         [Overlap("a", "b", 0), Overlap("d", "b", 48)], 96),
    ],
)  # fmt: skip
def test_table(buffers: list[Buffer], overlaps: list[Overlap], arena: int) -> None:
    offsets, size = pack(buffers, overlaps)
    assert size == arena
    assert set(offsets) == {b.name for b in buffers}
    assert not violations(buffers, overlaps, offsets)


def test_the_input_lies_above_by_the_lead() -> None:
    offsets, size = pack([A, B], [Overlap("a", "b", 33)])
    assert offsets == {"a": 48, "b": 0}
    assert size == 148


@pytest.mark.parametrize(
    ("offsets", "broken"),
    [
        ({"a": 0, "b": 112}, False),
        ({"a": 48, "b": 0}, False),
        ({"a": 32, "b": 0}, True),  # too little lead
        ({"a": 0, "b": 48}, True),  # the wrong way round
        ({"a": 0, "b": 0}, True),
        ({"a": 8, "b": 112}, True),  # not aligned
    ],
)
def test_violations_are_found(offsets: dict[str, int], broken: bool) -> None:
    assert bool(violations([A, B], [Overlap("a", "b", 33)], offsets)) is broken


def test_an_overlap_with_an_input_that_lives_on_is_refused() -> None:
    with pytest.raises(AssertionError, match="outlives"):
        place([dataclasses.replace(A, last=2), B], [Overlap("a", "b", 0)])
