"""Offsets of buffers in the arena: as few bytes as possible, and what that is measured against.

Two buffers that live at the same time are disjoint, or an :class:`~mcu_gen.plan.types.Overlap` says how far the lower
one may reach into the upper one.  Both cases are the same inequality, ``offset[j] >= offset[i] + gap[i][j]`` when ``i``
lies below ``j``, so every algorithm here works on gaps only.

:func:`place` takes the best of first-fit packings by several keys (Pisarchyk and Lee 2020: greedy by size) and
sweeps through time (:mod:`mcu_gen.plan.sweep`), improves it by branch and bound (:mod:`mcu_gen.plan.search`), and
where that is cut short by hill climbing and a longer search.  It stops as soon as the lower bound is reached.  All
budgets are counts, so the result is the same on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mcu_gen.plan.packing import Packing
from mcu_gen.plan.search import improve
from mcu_gen.plan.sweep import tighten
from mcu_gen.plan.types import ALIGN, Buffer, Overlap

#: Gap evaluations that hill climbing may spend.
CLIMB_BUDGET = 2_000_000
#: Work units (buffers looked at) that branch and bound may spend.
SEARCH_BUDGET = 1_500_000


def _orders(packing: Packing) -> Iterator[list[int]]:
    """Sequences for first fit."""
    b, size = packing.buffers, packing.size
    life = [x.last - x.first + 1 for x in b]
    breadth = [0] * len(b)
    for section in packing.sections:
        total = sum(size[i] for i in section.live)
        for i in section.live:
            breadth[i] = max(breadth[i], total)
    keys: tuple[Callable[[int], tuple[int, ...]], ...] = (
        lambda i: (-size[i], b[i].first),
        lambda i: (-size[i], -b[i].first),
        lambda i: (b[i].first, -size[i]),
        lambda i: (-b[i].last, -size[i]),
        lambda i: (-breadth[i], -size[i], b[i].first),
        lambda i: (-breadth[i], b[i].first),
        lambda i: (-life[i], -size[i]),
        lambda i: (-life[i] * size[i], b[i].first),
    )
    for key in keys:
        yield sorted(range(len(b)), key=lambda i: (*key(i), i))


def _climb(packing: Packing, order: list[int], best: list[int], budget: int) -> list[int]:
    """Hill climbing over first-fit sequences: a buffer at the top, or one it lives with, moves towards the front."""
    rng = random.Random(0)
    n = len(order)
    cost = n + sum(len(g) for g in packing.gap)
    current = packing.first_fit(order)
    end = packing.end(current)
    for _ in range(budget // max(1, cost)):
        if end <= packing.lower_bound:
            break
        top = [i for i in range(n) if current[i] + packing.bytes[i] >= end]
        chosen = rng.choice(top)
        around = [chosen, *packing.gap[chosen]]
        moved = rng.choice(around)
        trial = [i for i in order if i != moved]
        trial.insert(rng.randrange(order.index(moved) + 1), moved)
        offsets = packing.first_fit(trial)
        if packing.end(offsets) <= end:
            order, current, end = trial, offsets, packing.end(offsets)
    return current if end < packing.end(best) else best


@dataclass(frozen=True)
class Placement:
    """Offsets by buffer name and the arena they need, with what they are measured against."""

    offsets: Mapping[str, int]
    arena_bytes: int
    lower_bound: int
    #: greedy by size without overlaps: what a common planner gives
    greedy_bytes: int
    optimal: bool


def place(
    buffers: Sequence[Buffer],
    overlaps: Sequence[Overlap] = (),
    *,
    climb_budget: int = CLIMB_BUDGET,
    search_budget: int = SEARCH_BUDGET,
) -> Placement:
    """Offsets (multiples of ``ALIGN``) of all buffers, in an arena as small as the budgets allow.

    ``optimal`` says that no packing of these buffers is smaller.  The arena is never larger than that of
    greedy by size, and ends with the last byte in use.
    """
    packing, disjoint = Packing(buffers, overlaps), Packing(buffers, ())
    tried = [(variant.first_fit(order), order) for variant in (disjoint, packing) for order in _orders(variant)]
    greedy = disjoint.end(tried[0][0])
    best, greedy_order = min(tried, key=lambda t: packing.end(t[0]))
    if packing.end(best) > packing.lower_bound:
        best = tighten(packing, best)
    optimal = packing.end(best) <= packing.lower_bound
    if not optimal:  # a short search closes small graphs at once
        best, optimal = improve(packing, best, search_budget // 10)
    if not optimal:
        for order in (greedy_order, packing.by_offset(best)):
            best = _climb(packing, order, best, climb_budget // 2)
        best, optimal = improve(packing, best, search_budget)
    names = {b.name: o for b, o in zip(packing.buffers, best, strict=True)}
    offsets_by_name = {b.name: names.get(b.name, 0) for b in buffers}
    return Placement(offsets_by_name, packing.end(best), packing.lower_bound, greedy, optimal)


def pack(buffers: Sequence[Buffer], overlaps: Sequence[Overlap] = ()) -> tuple[Mapping[str, int], int]:
    """:func:`place`, reduced to ``(offsets, arena_bytes)``."""
    placement = place(buffers, overlaps)
    return placement.offsets, placement.arena_bytes


def greedy_by_size(buffers: Sequence[Buffer]) -> int:
    """Bytes of the arena that greedy by size gives when nothing may overlap."""
    packing = Packing(buffers, ())
    return packing.end(packing.first_fit(next(_orders(packing)))) if packing.buffers else 0


def violations(buffers: Iterable[Buffer], overlaps: Iterable[Overlap], offsets: Mapping[str, int]) -> list[str]:
    """Every way in which offsets break the rules: alignment, and collisions that no overlap allows."""
    allowed = {(o.below, o.above): o.lead for o in overlaps}
    found: list[str] = []
    live = sorted((b for b in buffers if b.bytes > 0), key=lambda b: (b.first, b.name))
    for i, a in enumerate(live):
        if offsets[a.name] < 0 or offsets[a.name] % ALIGN:
            found.append(f"{a.name} starts at {offsets[a.name]}")
        for b in live[i + 1 :]:
            if b.first > a.last:
                break
            low, high = (a, b) if offsets[a.name] <= offsets[b.name] else (b, a)
            distance = offsets[high.name] - offsets[low.name]
            permitted = [allowed[pair] for pair in ((low.name, high.name),) if pair in allowed]
            if distance == 0 and (high.name, low.name) in allowed:
                permitted.append(allowed[high.name, low.name])
            if distance < low.bytes and not any(distance >= lead for lead in permitted):
                found.append(f"{low.name} at {offsets[low.name]} runs into {high.name} at {offsets[high.name]}")
    return found
