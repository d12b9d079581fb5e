"""Exact packing by branch and bound over canonical solutions.

Any packing can be pushed down until every buffer rests on another one or on the floor, and its buffers can be named
in the order of their offsets.  The search builds exactly these: the next buffer is placed at the lowest offset that the
buffers below it allow, never under the one before.  A branch dies when

- some step cannot hold its remaining buffers below the best arena known (each has a lowest offset, and those of one
  step are jobs on one machine: earliest release date first),
- another buffer would fit completely below the one about to be placed (then moving it there is no worse),
- the same buffers remain, with the same lowest offsets, as in a branch that was searched before.

The scheme follows MiniMalloc (Moffitt 2023), extended by overlaps.
"""

from __future__ import annotations

from mcu_gen.plan.packing import Packing

#: Per remaining buffer the lowest offset that it can still get.
_Lows = dict[int, int]


class _Search:
    def __init__(self, packing: Packing, best: list[int], budget: int) -> None:
        self.p = packing
        self.best = list(best)
        self.end = packing.end(best)
        self.budget = budget
        self.count = len(packing.buffers)
        self.low = [0] * self.count  # lowest offset that the placed buffers allow
        self.placed = [False] * self.count
        self.offsets = [0] * self.count
        self.cost = self.count + sum(len(s.live) for s in packing.sections)
        self.seen: set[tuple[int, ...]] = set()

    def lows(self, level: int) -> _Lows | None:
        """Lowest offsets of the remaining buffers when nothing may start below ``level``, or None when one has none.

        A buffer that the placed ones would let start below ``level`` must come to rest on one still to be placed.
        """
        lows: _Lows = {}
        for i in range(self.count):
            if self.placed[i]:
                continue
            lows[i] = self.low[i]
            if lows[i] < level:
                rests = [max(level, self.low[j]) + self.p.gap[j][i] for j in self.p.gap[i] if not self.placed[j]]
                if not rests:
                    return None
                lows[i] = min(rests)
            if lows[i] + self.p.bytes[i] >= self.end:
                return None
        return lows

    def fits(self, lows: _Lows) -> bool:
        """Whether every step can hold what is still to be placed, below the best arena known."""
        p = self.p
        for section in p.sections:
            live = [i for i in section.live if not self.placed[i]]
            if len(live) < 2:
                continue
            live.sort(key=lows.__getitem__)
            slack = max(p.size[i] - p.bytes[i] for i in live)
            if section.pairs:
                top = lows[live[0]] + p.section_extent(section, live)
            else:
                top = 0
                for i in live:
                    top = max(top, lows[i]) + p.size[i]
            if top - slack >= self.end:
                return False
        return True

    def options(self, level: int) -> list[int]:
        """Buffers that may be placed next, the most promising last; empty when the branch is dead."""
        state = (level, *(-1 if placed else low for placed, low in zip(self.placed, self.low, strict=True)))
        if state in self.seen:
            return []
        self.seen.add(state)
        lows = self.lows(level)
        if lows is None or not self.fits(lows):
            return []
        size = self.p.size
        roof = min(self.low[i] + size[i] for i in lows)
        chosen = [i for i in lows if level <= self.low[i] < roof]
        return sorted(chosen, key=lambda i: (-self.low[i], size[i] * (1 + len(self.p.gap[i])), -i))

    def put(self, i: int) -> list[tuple[int, int]]:
        """Places a buffer; returns the lows that have to be restored."""
        at = self.offsets[i] = self.low[i]
        self.placed[i] = True
        undo = []
        for j, gap in self.p.gap[i].items():
            if not self.placed[j] and self.low[j] < at + gap:
                undo.append((j, self.low[j]))
                self.low[j] = at + gap
        return undo

    def run(self) -> bool:
        """Depth-first search; True when it was complete or the lower bound is reached."""
        #: options left, the buffer placed to get here, what to restore, and how high the placed buffers reach
        frames: list[tuple[list[int], int, list[tuple[int, int]], int]] = [(self.options(0), -1, [], 0)]
        while frames:
            todo, owner, undo, reach = frames[-1]
            if not todo or reach >= self.end:
                frames.pop()
                if owner >= 0:
                    self.placed[owner] = False
                    for j, low in undo:
                        self.low[j] = low
                continue
            i = todo.pop()
            self.budget -= self.cost
            if self.budget < 0:
                return False
            reach = max(reach, self.low[i] + self.p.bytes[i])
            if reach >= self.end:
                continue
            saved = self.put(i)
            following: list[int] = []
            if len(frames) < self.count:
                following = self.options(self.offsets[i])
            else:
                self.end, self.best = reach, list(self.offsets)
                if self.end <= self.p.lower_bound:
                    return True
                # The branches that led here end early now, because of what they placed: they do not count as searched.
                self.seen.clear()
            frames.append((following, i, saved, reach))
        return True


def improve(packing: Packing, best: list[int], budget: int) -> tuple[list[int], bool]:
    """A packing smaller than ``best`` if the budget finds one, and whether the result is proven to be the smallest."""
    if packing.end(best) <= packing.lower_bound:
        return best, True
    search = _Search(packing, best, budget)
    complete = search.run()
    return search.best, complete or search.end <= packing.lower_bound
