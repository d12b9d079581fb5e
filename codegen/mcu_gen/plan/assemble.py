"""From a choice of segments to buffers with lifetimes, and to a packed arena."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from mcu_gen.plan.arena import CLIMB_BUDGET, SEARCH_BUDGET, Placement, place, violations
from mcu_gen.plan.liveness import lifetimes, scratch_name
from mcu_gen.plan.realize import segment_buffers, segment_of
from mcu_gen.plan.segment import Family, Option
from mcu_gen.plan.stretch import Stretch
from mcu_gen.plan.types import Buffer, Overlap, Segment, Step

Chosen = Sequence[tuple[Family, Option]]


@dataclass(frozen=True)
class Layout:
    """A packed plan: steps, segments, buffers and where they lie."""

    stretch: Stretch
    steps: tuple[Step, ...]
    segments: tuple[Segment, ...]
    buffers: dict[str, Buffer]
    overlaps: tuple[Overlap, ...]
    placement: Placement

    @property
    def extra_macs(self) -> int:
        again = self.stretch.repeated_macs(0, len(self.stretch) - 1)
        return sum(s.extra_macs for s in self.segments) + again


def segment_lifetimes(stretch: Stretch, chosen: Chosen) -> tuple[dict[str, Buffer], list[Overlap]]:
    """Buffers and legal overlaps when the stretches ``chosen`` run as segments and everything else as a whole.

    What a segment reads from outside lives until it ends, what it writes lives from its first step, and tensors inside
    have a patch and perhaps a line buffer.
    """
    buffers, _ = lifetimes(stretch.prog, stretch.order)
    inside: set[str] = set()
    overlaps: list[Overlap] = []
    covered: set[int] = set()
    for index, (family, option) in enumerate(chosen):
        covered.update(range(option.first, option.last + 1))
        for name in family.end.border(option.first):
            buffers[name] = dataclasses.replace(buffers[name], last=max(buffers[name].last, option.last))
        out = family.end.output
        buffers[out] = dataclasses.replace(buffers[out], first=min(buffers[out].first, option.first))
        for position in range(option.first, option.last + 1):
            site = stretch.sites[position]
            scratch = scratch_name(site.tile, stretch.prog.storages)
            buffers.pop(scratch, None)
            if site.tile.scratch:  # that of a reduction holds its sums from tile to tile
                first = option.first if site.reduces else position
                buffers[scratch] = Buffer(scratch, site.tile.scratch, first, position, "scratch")
        parts, legal = segment_buffers(family, option, index, len(stretch))
        buffers.update((b.name, b) for b in parts)
        inside.update(b.name for b in parts)
        overlaps += legal
    for position, site in enumerate(stretch.sites):
        if position in covered:
            continue
        for (above, below), lead in site.task.leads.items():
            if above != below and buffers[above].last == position == buffers[below].first:
                overlaps.append(Overlap(above, below, lead))
    return buffers, overlaps


def assemble(stretch: Stretch, chosen: Chosen, effort: int = 100) -> Layout:
    """Packs a choice of segments, with ``effort`` percent of the usual search."""
    buffers, overlaps = segment_lifetimes(stretch, chosen)
    climb, search = CLIMB_BUDGET * effort // 100, SEARCH_BUDGET * effort // 100
    placement = place(list(buffers.values()), overlaps, climb_budget=climb, search_budget=search)
    broken = violations(buffers.values(), overlaps, placement.offsets)
    assert not broken, f"the planner placed buffers wrongly: {broken}"
    covered = {p for _, option in chosen for p in range(option.first, option.last + 1)}
    tasks = [site.tile if i in covered else site.task for i, site in enumerate(stretch.sites)]
    steps = tuple(
        Step(i, task.node, task.kernel, scratch_name(task, stretch.prog.storages) if task.scratch else None)
        for i, task in enumerate(tasks)
    )
    segments = tuple(segment_of(family, option) for family, option in chosen)
    return Layout(stretch, steps, segments, buffers, tuple(overlaps), placement)
