"""Packing in the order of time: a beam search that is strong where few buffers live at once.

Networks are narrow: at each step a handful of buffers live.  For a given capacity the sweep goes through the steps
and keeps the best partial packings, told apart only by where the living buffers lie.  A new buffer goes to the ends
of the free ranges (or as deep into an overlap as its lead allows), because any packing can be shifted to such a
place from one side.  The packings kept are those whose surviving buffers leave the largest free range.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcu_gen.plan.liveness import align
from mcu_gen.plan.packing import Packing

#: Partial packings kept per step, where the budget allows as many.
WIDTH = 24
#: Pairs of buffers that one sweep may look at; so many that a wide graph gets a narrow beam, or none.
BUDGET = 3_000_000
#: Capacities that are tried between the lower bound and the best known arena.
BISECTIONS = 6


@dataclass(frozen=True)
class _State:
    """Where the living buffers lie, and how the packing came about."""

    live: tuple[tuple[int, int], ...]  # (buffer, offset)
    parent: _State | None = None
    placed: tuple[int, int] = (-1, 0)


def _positions(packing: Packing, x: int, state: _State, capacity: int) -> set[int]:
    """Offsets for ``x`` at the ends of its free ranges."""
    forbidden = [(at - packing.gap[x][b], at + packing.gap[b][x]) for b, at in state.live if b in packing.gap[x]]
    top = capacity - packing.size[x]
    ends = {0, top}.union(*forbidden) if forbidden else {0, top}
    return {at for at in ends if 0 <= at <= top and not any(low < at < high for low, high in forbidden)}


def _free_range(packing: Packing, live: tuple[tuple[int, int], ...], capacity: int) -> int:
    """Bytes of the largest range in which nothing lives."""
    largest = end = 0
    for b, at in sorted(live, key=lambda item: item[1]):
        largest = max(largest, at - end)
        end = max(end, at + packing.size[b])
    return max(largest, capacity - end)


def sweep(packing: Packing, capacity: int, width: int) -> list[int] | None:
    """Offsets in an arena of ``capacity`` bytes (a multiple of the alignment), or None when none was found."""
    b, size = packing.buffers, packing.size
    order = sorted(range(len(b)), key=lambda i: (b[i].first, b[i].kind == "scratch", -size[i], i))
    states = [_State(())]
    for position, x in enumerate(order):
        step = b[order[position + 1]].first if position + 1 < len(order) else b[x].first
        unique: dict[tuple[tuple[int, int], ...], _State] = {}
        for state in states:
            for at in _positions(packing, x, state, capacity):
                live = tuple((i, o) for i, o in (*state.live, (x, at)) if b[i].last >= step)
                unique.setdefault(live, _State(live, state, (x, at)))
        ranked = sorted(unique.values(), key=lambda s: (-_free_range(packing, s.live, capacity), s.live))
        states = ranked[:width]
        if not states:
            return None
    offsets = [0] * len(b)
    end: _State | None = states[0]
    while end is not None and end.parent is not None:
        offsets[end.placed[0]] = end.placed[1]
        end = end.parent
    return offsets


def tighten(packing: Packing, best: list[int]) -> list[int]:
    """``best``, or a smaller packing from sweeps through an arena whose size is bisected."""
    work = sum(2 * len(gap) ** 2 for gap in packing.gap)
    width = min(WIDTH, BUDGET // max(1, work))
    if width < 2:
        return best
    low, high = packing.lower_bound, packing.end(best)
    capacity = align(low)
    for _ in range(BISECTIONS):
        if capacity >= align(high):
            break
        offsets = sweep(packing, capacity, width)
        if offsets is None:
            low = capacity
        else:
            offsets = packing.pushed_down(offsets)
            if packing.end(offsets) < packing.end(best):
                best = offsets
            high = min(capacity, packing.end(best))
        if packing.end(best) <= packing.lower_bound:
            break
        capacity = align((low + high) // 2)
    return best
