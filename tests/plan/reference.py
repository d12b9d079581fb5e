"""What the planner is measured against: exhaustive solvers that share no code and no argument with it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from mcu_gen.plan.types import ALIGN, Buffer, Overlap


def collide(a: Buffer, x: int, b: Buffer, y: int, lead: dict[tuple[str, str], int]) -> bool:
    """Whether ``a`` at ``x`` and ``b`` at ``y`` may not live at the same time (``lead``: (above, below) -> bytes)."""
    if x + a.bytes <= y or y + b.bytes <= x or not a.bytes or not b.bytes:
        return False
    a_below = (b.name, a.name) in lead and x + lead[b.name, a.name] <= y
    b_below = (a.name, b.name) in lead and y + lead[a.name, b.name] <= x
    return not (a_below or b_below)


def packable(buffers: Sequence[Buffer], overlaps: Sequence[Overlap], limit: int) -> bool:
    """Whether the buffers fit into ``limit`` bytes: every position of every buffer is tried, step by step.

    The state after a step is where the buffers lie that go on living; all reachable states are kept.
    """
    lead = {(o.above, o.below): o.lead for o in overlaps}
    states: set[tuple[tuple[int, int], ...]] = {()}
    for step in range(min(b.first for b in buffers), max(b.last for b in buffers) + 1):
        states = {tuple((i, x) for i, x in state if buffers[i].last >= step) for state in states}
        for i, b in enumerate(buffers):
            if b.first != step:
                continue
            states = {
                (*state, (i, x))
                for state in states
                for x in range(0, limit - b.bytes + 1, ALIGN)
                if not any(collide(b, x, buffers[j], y, lead) for j, y in state)
            }
    return bool(states)


def best_peak(
    tasks: Sequence[tuple[set[str], set[str]]], sizes: dict[str, int], pinned: set[str], start: set[str]
) -> int:
    """Least peak of live bytes over all orders: tasks are (reads, writes), ``pinned`` names live to the end."""
    peaks = []
    for order in permutations(range(len(tasks))):
        live, peak = set(start), sum(sizes[n] for n in start)
        for k, i in enumerate(order):
            reads, writes = tasks[i]
            if not reads <= live:
                break
            live |= writes
            peak = max(peak, sum(sizes[n] for n in live))
            later = {n for j in order[k + 1 :] for n in tasks[j][0]}
            live &= later | pinned
        else:
            peaks.append(peak)
    return min(peaks)
