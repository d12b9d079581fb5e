"""Exact packing by branch and bound over canonical solutions.

Any packing can be pushed down until every buffer rests on another one or on the floor, and its buffers can be named
in the order of their offsets.  The search builds exactly these: the next buffer is placed at the lowest offset that the
buffers below it allow, never under the one before.  A branch dies when

- some step cannot hold its remaining buffers below the bound (they all lie above the current offset),
- another buffer would fit completely below the one about to be placed (then moving it there is no worse),
- it only swaps two buffers that do not touch and start at the same offset.

The scheme follows MiniMalloc (Moffitt 2023), extended by overlaps.
"""

from __future__ import annotations

from mcu_gen.plan.packing import Packing

#: More buffers than this are left to the heuristics.
MAX_BUFFERS = 400


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

    def candidates(self, level: int, last: int) -> list[int]:
        """Buffers to place next, in the order in which they are tried."""
        p = self.p
        open_ = [i for i in range(self.count) if not self.placed[i]]
        roof = min(self.low[i] + p.size[i] for i in open_)
        chosen = []
        for i in open_:
            low = self.low[i]
            if low < level or low >= roof:
                continue
            if low == level and last >= 0 and i < last and i not in p.gap[last]:
                continue
            chosen.append(i)
        return sorted(chosen, key=lambda i: (self.low[i], -p.size[i] * (1 + len(p.gap[i])), i))

    def feasible(self, level: int) -> bool:
        """Whether every step can hold what is still to be placed, below the best arena known."""
        p, limit = self.p, self.end - 1
        for i in range(self.count):
            if not self.placed[i] and max(level, self.low[i]) + p.bytes[i] > limit:
                return False
        for section in p.sections:
            live = [i for i in section.live if not self.placed[i]]
            if len(live) < 2:
                continue
            floor = max(level, min(self.low[i] for i in live))
            slack = max(p.size[i] - p.bytes[i] for i in live)
            if floor + p.section_extent(section, live) - slack > limit:
                return False
        return True

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
        frames: list[tuple[list[int], int, list[tuple[int, int]]]] = [(self.candidates(0, -1)[::-1], -1, [])]
        while frames:
            todo, owner, undo = frames[-1]
            if not todo:
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
            level = self.low[i]
            saved = self.put(i)
            options: list[int] = []
            if len(frames) == self.count:
                end = self.p.end(self.offsets)
                if end < self.end:
                    self.end, self.best = end, list(self.offsets)
                    if end <= self.p.lower_bound:
                        return True
            elif self.feasible(level):
                options = self.candidates(level, i)[::-1]
            frames.append((options, i, saved))
        return True


def improve(packing: Packing, best: list[int], budget: int) -> tuple[list[int], bool]:
    """A packing smaller than ``best`` if the budget finds one, and whether the result is proven to be the smallest."""
    if not packing.buffers or len(packing.buffers) > MAX_BUFFERS:
        return best, not packing.buffers
    search = _Search(packing, best, budget)
    complete = search.run()
    return search.best, complete
