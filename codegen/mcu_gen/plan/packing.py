"""The packing problem: buffers as indices, the gaps between them, lower bounds, and first fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mcu_gen.plan.liveness import align, extent
from mcu_gen.plan.types import Buffer, Overlap


@dataclass(frozen=True)
class Section:
    """A step: the buffers that live then, and the overlaps (above, below, lead) that belong to it."""

    live: tuple[int, ...]
    pairs: tuple[tuple[int, int, int], ...]


class Packing:
    """Buffers as indices: sizes, lifetimes, gaps.  Buffers without bytes take no part."""

    def __init__(self, buffers: Iterable[Buffer], overlaps: Iterable[Overlap]) -> None:
        self.buffers = [b for b in buffers if b.bytes > 0]
        self.bytes = [b.bytes for b in self.buffers]
        self.size = [align(b.bytes) for b in self.buffers]
        index = {b.name: i for i, b in enumerate(self.buffers)}
        self.leads: dict[tuple[int, int], int] = {}  # (above, below) -> aligned lead
        for o in overlaps:
            if o.above in index and o.below in index:
                above, below = index[o.above], index[o.below]
                met = self.buffers[above].last <= self.buffers[below].first
                assert met or o.segment, f"{o.above} outlives its overlap"
                self.leads[above, below] = align(max(0, o.lead))
        #: gap[i][j] for all j that live together with i
        self.gap: list[dict[int, int]] = [{} for _ in self.buffers]
        for i, a in enumerate(self.buffers):
            for j, b in enumerate(self.buffers):
                if i != j and a.first <= b.last and b.first <= a.last:
                    self.gap[i][j] = min(self.size[i], self.leads.get((j, i), self.size[i]))
        self.sections = self._sections()
        self.lower_bound = max((self.section_bound(s) for s in self.sections), default=0)

    def _sections(self) -> list[Section]:
        """Buffers live at each step; steps at which nothing lives that does not also live next door are left out."""
        first = min((b.first for b in self.buffers), default=0)
        last = max((b.last for b in self.buffers), default=-1)
        by_step: dict[int, list[int]] = {t: [] for t in range(first, last + 1)}
        for i, b in enumerate(self.buffers):
            for t in range(b.first, b.last + 1):
                by_step[t].append(i)
        pairs: dict[int, list[tuple[int, int, int]]] = {}
        for (above, below), lead in self.leads.items():
            for t in range(self.buffers[below].first, self.buffers[above].last + 1):  # one step, or those of a segment
                pairs.setdefault(t, []).append((above, below, lead))
        sections: list[Section] = []
        previous: set[int] | None = None
        for t in range(first, last + 1):
            live = set(by_step[t])
            if t not in pairs:
                beside = [set(by_step[u]) for u in (t - 1, t + 1) if u in by_step and u not in pairs]
                if live == previous or any(live < other for other in beside):
                    continue
                previous = live
            sections.append(Section(tuple(by_step[t]), tuple(pairs.get(t, ()))))
        return sections

    def section_bound(self, section: Section) -> int:
        """Bytes that the buffers of a section need, whatever lies elsewhere; the topmost is not rounded up."""
        slack = max((self.size[i] - self.bytes[i] for i in section.live), default=0)
        return self.section_extent(section, section.live) - slack

    def section_extent(self, section: Section, live: Sequence[int]) -> int:
        """Aligned bytes that ``live``, a part of the section, spans at least."""
        total = sum(self.size[i] for i in live)
        if not section.pairs:
            return total
        here = set(live)
        pairs = [p for p in section.pairs if p[0] in here and p[1] in here]
        outs = {below for _, below, _ in pairs}
        if len(outs) == 1:
            out = self.size[next(iter(outs))]
            under = [(lead, self.size[above]) for above, _, lead in pairs]
            return total - out - sum(size for _, size in under) + extent(out, under)
        ins = {above for above, _, _ in pairs}
        return total - min(sum(self.size[i] for i in ins), sum(self.size[o] for o in outs))

    def end(self, offsets: Sequence[int]) -> int:
        return max((o + n for o, n in zip(offsets, self.bytes, strict=True)), default=0)

    def first_fit(self, order: Sequence[int]) -> list[int]:
        """Places the buffers one by one, each at the lowest offset that those placed before allow."""
        offsets = [-1] * len(self.buffers)
        for x in order:
            gaps = self.gap[x]
            forbidden = sorted(
                (offsets[b] - g, offsets[b] + self.gap[b][x]) for b, g in gaps.items() if offsets[b] >= 0
            )
            position = 0
            for low, high in forbidden:  # open intervals in which x may not start
                if position <= low:
                    break
                position = max(position, high)
            offsets[x] = position
        return offsets

    def pushed_down(self, offsets: Sequence[int]) -> list[int]:
        """A packing with no offset higher, from one that is legal: first fit in the order of the offsets."""
        return self.first_fit(self.by_offset(offsets))

    def by_offset(self, offsets: Sequence[int]) -> list[int]:
        """Buffers by offset; an output that starts where its input starts comes before it."""
        return sorted(range(len(offsets)), key=lambda i: (offsets[i], -self.buffers[i].first))
