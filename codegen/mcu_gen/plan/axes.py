"""Rows and columns of all tensors of the segments that end at one operator, for one way to cut its output.

Everything is built from the last operator backwards and does not depend on where the segment begins, so that the search
over all beginnings costs one pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from mcu_gen.plan.stretch import Stretch
from mcu_gen.plan.tiles import Reach, Rows, deadlines, in_memory, latest, propagate

#: [lo, hi) per step, int64 arrays.
Ranges = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class End:
    """The operator at which segments end, and how far back they can reach."""

    stretch: Stretch
    last: int
    #: the first operator of the longest segment; last + 1 when there is none
    first: int
    #: why it cannot begin earlier
    reason: str

    @classmethod
    def at(cls, stretch: Stretch, last: int) -> End:
        for position in range(last, -1, -1):
            site = stretch.sites[position]
            reason = None
            if site.reason is not None:
                reason = f"layer {site.task.node.name}: {site.reason}"
            elif position < last and stretch.dies[site.out.name] > last:
                reason = f"tensor {site.out.name} is used after the segment"
            elif position < last and site.reduces:
                reason = f"layer {site.task.node.name}: {site.task.node.type} gives its output after the whole input"
            elif position < last and site.out.name in stretch.shared:
                reason = f"tensor {site.out.name} shares its storage with another one"
            elif position < last and not stretch.readers[site.out.name]:
                reason = f"nobody reads tensor {site.out.name}"
            if reason is not None:
                return cls(stretch, last, position + 1, reason)
        return cls(stretch, last, 0, "it is the first layer")

    @property
    def output(self) -> str:
        return self.stretch.sites[self.last].out.name

    @property
    def height(self) -> int:
        """Rows that tiles cut: of the output, or of the map that the last operator reduces."""
        return self.stretch.sites[self.last].map[0]

    @property
    def width(self) -> int:
        """Columns that tiles cut."""
        return self.stretch.sites[self.last].map[1]

    def names(self) -> Iterator[str]:
        """Outputs of the operators from the one before the last back to the first."""
        for position in range(self.last - 1, self.first - 1, -1):
            yield self.stretch.sites[position].out.name

    def readers(self, name: str, first: int = -1) -> Iterator[tuple[str, Reach, Reach]]:
        """Who reads a tensor from operator ``first`` on: the reader's output, needs along rows and along columns."""
        for position in self.stretch.readers[name]:
            if max(first, self.first) <= position <= self.last:
                site = self.stretch.sites[position]
                for read in site.reads:
                    if read.name == name:
                        yield site.out.name, read.rows, read.columns

    def border(self, first: int) -> list[str]:
        """Tensors from outside that the segment reads when it starts at ``first``."""
        names = [r.name for s in self.stretch.sites[first : self.last + 1] for r in s.reads]
        return [n for n in dict.fromkeys(names) if self.stretch.born[n] < first]


class Columns:
    """Columns of every tensor inside for an output cut every ``tile_w`` columns, computed anew in every tile."""

    keep = False

    def __init__(self, end: End, tile_w: int) -> None:
        self.end = end
        width = end.width
        starts = np.arange(0, width, tile_w, dtype=np.int64)
        self.count = len(starts)
        self.x: dict[str, Ranges] = {end.output: (starts, np.minimum(starts + tile_w, width))}
        for name in end.names():
            self.x[name] = self.needed(name)
        #: columns of the widest tile, and of all tiles together
        self.widest = {n: int((hi - lo).max()) for n, (lo, hi) in self.x.items()}
        self.total = {n: int((hi - lo).sum()) for n, (lo, hi) in self.x.items()}
        self.kept_most = dict.fromkeys(self.x, 0)
        self.kept_total = dict.fromkeys(self.x, 0)

    def active(self, name: str) -> int:
        """Tiles in which columns of a tensor are computed."""
        lo, hi = self.x[name]
        return int((hi > lo).sum())

    def needed(self, name: str, first: int = -1) -> Ranges:
        """Columns of a tensor that its readers inside need, tile by tile."""
        needs = [(columns, *self.x[reader]) for reader, _, columns in self.end.readers(name, first) if reader in self.x]
        return propagate(needs, self.count, self.end.stretch.graph.tensors[name].shape[2])


def kept_rows(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """Rows in memory that the next step uses again, for all steps but the last."""
    kept: np.ndarray = np.maximum(0, hi[:-1] - np.maximum(lo[1:], lo[:-1]))
    return kept


class RowTiles:
    """Rows of every tensor inside when each tile of ``tile_h`` output rows computes all that it needs."""

    keep = False

    def __init__(self, end: End, tile_h: int) -> None:
        self.end = end
        height = end.height
        starts = np.arange(0, height, tile_h, dtype=np.int64)
        self.count = len(starts)
        self.y: dict[str, Ranges] = {end.output: (starts, np.minimum(starts + tile_h, height))}
        for name in end.names():
            self.y[name] = self.needed(name)
        #: rows of the largest patch, rows computed in all steps, most rows kept between steps, all rows kept, and those
        #: of them that have another place in the next patch
        self.most = {n: int((hi - lo).max()) for n, (lo, hi) in self.y.items()}
        self.computed = {n: int((hi - lo).sum()) for n, (lo, hi) in self.y.items()}
        self.held = self.computed
        self.kept_most = dict.fromkeys(self.y, 0)
        self.kept_total = dict.fromkeys(self.y, 0)
        self.kept_moved = dict.fromkeys(self.y, 0)

    def active(self, name: str) -> int:
        """Steps in which rows of a tensor are computed."""
        lo, hi = self.y[name]
        return int((hi > lo).sum())

    def fresh(self, name: str) -> Ranges:
        """Rows that each step computes."""
        return self.y[name]

    def needed(self, name: str, first: int = -1) -> Ranges:
        """Rows of a tensor that its readers inside need, step by step."""
        needs = [(rows, *self.fresh(reader)) for reader, rows, _ in self.end.readers(name, first) if reader in self.y]
        return propagate(needs, self.count, self.end.stretch.graph.tensors[name].shape[1])

    def streamed(self, name: str) -> Ranges | None:
        """Rows of a streamed input in memory at every step; None where rows would have to be pushed twice."""
        del name
        return None


class Schedule:
    """Positions of every tensor inside along one axis when those that steps share are kept.

    ``phases`` steps make ``tile`` positions of the output; those of the other tensors are spread over them.
    """

    def __init__(self, end: End, axis: int, tile: int, phases: int) -> None:
        self.end, self.axis, self.pace = end, axis, Fraction(tile, phases)
        size = end.stretch.sites[end.last].map[axis - 1]
        self.times = {end.output: np.arange(size, dtype=np.int64) // tile * phases}
        self.rate = {end.output: Fraction(1)}
        names = list(end.names())
        streamed = [n for n in end.border(end.first) if n in end.stretch.graph.inputs] if axis == 1 else []
        for name in [*names, *streamed]:
            self._schedule(name)
        self.begin = min(int(t[0]) for t in self.times.values())
        self.count = int(self.times[end.output][-1]) + 1 - self.begin
        steps = np.arange(self.begin, self.begin + self.count)
        hi = np.searchsorted(self.times[end.output], steps, side="right").astype(np.int64)
        self.at: dict[str, Ranges] = {end.output: (np.concatenate([[0], hi[:-1]]), hi)}
        for name in names:
            self.at[name] = self.in_memory(name)
        self.most = {n: int((hi - lo).max()) for n, (lo, hi) in self.at.items()}
        self.held = {n: int((hi - lo).sum()) for n, (lo, hi) in self.at.items()}
        self.computed: dict[str, int] = {}
        self.kept_most: dict[str, int] = {}
        self.kept_total: dict[str, int] = {}
        self.kept_moved: dict[str, int] = {}
        for name, (lo, hi) in self.at.items():
            a, b = self.fresh(name)
            kept = kept_rows(lo, hi)
            self.computed[name] = int((b - a).sum())
            self.kept_most[name] = int(kept.max()) if len(kept) else 0
            self.kept_total[name] = int(kept.sum())
            self.kept_moved[name] = int(kept[lo[1:] > lo[:-1]].sum())

    def _readers(self, name: str, first: int = -1) -> list[tuple[Reach, str]]:
        found = self.end.readers(name, first)
        return [(rows if self.axis == 1 else columns, reader) for reader, rows, columns in found]

    def _schedule(self, name: str) -> None:
        readers = self._readers(name)
        self.rate[name] = max(self.rate[reader] * needs.rate for needs, reader in readers)
        size = self.end.stretch.graph.tensors[name].shape[self.axis]
        due = deadlines(size, [(needs, self.times[reader]) for needs, reader in readers])
        self.times[name] = latest(due, self.rate[name] * self.pace)

    def in_memory(self, name: str) -> Ranges:
        """What is in memory of a tensor that is computed, or pushed, as scheduled."""
        readers = [(needs, Rows(*self.at[reader])) for needs, reader in self._readers(name) if reader in self.at]
        found = in_memory(self.times[name], readers, self.begin, self.count)
        return found.lo, found.hi

    def active(self, name: str) -> int:
        """Steps in which something of a tensor is computed."""
        lo, hi = self.fresh(name)
        return int((hi > lo).sum())

    def fresh(self, name: str) -> Ranges:
        """What each step computes."""
        return Rows(*self.at[name]).fresh()

    def needed(self, name: str, first: int = -1) -> Ranges:
        """What the readers inside read of a tensor at the border, step by step."""
        readers = [(needs, *self.fresh(reader)) for needs, reader in self._readers(name, first) if reader in self.at]
        return propagate(readers, self.count, self.end.stretch.graph.tensors[name].shape[self.axis])


class RowSchedule(Schedule):
    """Rows, kept in line buffers."""

    keep = True

    def __init__(self, end: End, tile_h: int, phases: int) -> None:
        super().__init__(end, 1, tile_h, phases)
        self.y = self.at

    def streamed(self, name: str) -> Ranges | None:
        """Rows of a streamed input in memory at every step."""
        return self.in_memory(name) if name in self.times else None


class ColumnSchedule(Schedule):
    """Columns, kept beside the patch from tile to tile."""

    keep = True

    def __init__(self, end: End, tile_w: int, phases: int) -> None:
        super().__init__(end, 2, tile_w, phases)
        self.x = self.at
        self.widest, self.total = self.most, self.computed
