"""Segments: what a cut costs in memory and arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mcu_gen.plan.axes import Columns, ColumnSchedule, End, RowSchedule, RowTiles, kept_rows
from mcu_gen.plan.liveness import align, extent

#: Bytes of the counters of a segment whose input is streamed.
STATE_BYTES = 8


@dataclass(frozen=True)
class Cut:
    """How the output of a segment is cut into tiles.

    Attributes:
        tile_h, tile_w: rows and columns of the output per tile.
        phases: vertical steps per tile, over which the operators above spread their rows (1 without line buffers).
        keep: rows that tiles share are kept in line buffers, otherwise they are computed again.
        keep_x: columns that tiles share are kept as well.
    """

    tile_h: int
    tile_w: int
    phases: int = 1
    keep: bool = True
    keep_x: bool = False


@dataclass(frozen=True)
class Option:
    """One segment that a plan may take, and its price."""

    first: int
    last: int
    cut: Cut
    streamed: str | None
    #: tensors whose patch stays in memory
    resident: frozenset[str]
    #: aligned bytes that live in the segment at its peak, and the most of them that the topmost buffer may leave unused
    total: int
    slack: int
    macs: int
    extra_macs: int
    copied: int
    #: kernel calls
    calls: int

    @property
    def bytes(self) -> int:
        """No packing of the buffers that live in the segment takes less."""
        return self.total - self.slack


@dataclass(frozen=True)
class _Part:
    """Memory of a tensor inside a segment: aligned bytes, what they leave unused, and lifetime."""

    name: str
    patch: int
    halo: int
    side: int
    patch_slack: int
    halo_slack: int
    side_slack: int
    #: bytes copied with a line buffer (to it and back), and when the patch stays
    copied: int
    moved: int
    born: int
    dies: int


class Family:
    """All segments that end at one operator and are cut in one way."""

    def __init__(self, end: End, cut: Cut, rows: RowTiles | RowSchedule, columns: Columns | ColumnSchedule) -> None:
        assert rows.keep == cut.keep
        self.end, self.cut, self.rows, self.columns = end, cut, rows, columns
        self.stretch = end.stretch
        self.parts: dict[str, _Part] = {}
        self.macs: dict[str, int] = {}
        self.calls: dict[str, int] = {}
        self.extra: dict[str, int] = {}
        for position in range(end.last, end.first - 1, -1):
            site = self.stretch.sites[position]
            name = site.out.name
            done = rows.computed[name] * columns.total[name]
            self.macs[name] = int(site.macs_per_pixel * done)
            self.calls[name] = rows.active(name) * columns.active(name)
            self.extra[name] = self.macs[name] - int(site.macs_per_pixel * (site.map[0] * site.map[1]))
            if position == end.last:
                continue
            row_bytes = self.stretch.row_bytes(name)
            patch = rows.most[name] * columns.widest[name] * self.stretch.pixel_bytes(name)
            halo = rows.kept_most[name] * row_bytes
            pixel = self.stretch.pixel_bytes(name)
            side = rows.most[name] * columns.kept_most[name] * pixel
            self.parts[name] = _Part(
                name,
                align(patch),
                align(halo),
                align(side),
                align(patch) - patch,
                align(halo) - halo,
                align(side) - side,
                2 * (rows.kept_total[name] * row_bytes + rows.held[name] * columns.kept_total[name] * pixel),
                rows.kept_moved[name] * row_bytes,
                position,
                self.stretch.dies[name],
            )
        self.in_place = dict(self._in_place())

    def _in_place(self) -> Iterator[tuple[int, tuple[str, str]]]:
        """Position -> (input, output) where an elementwise operator may write over a patch that dies with it."""
        for position in range(self.end.first, self.end.last):
            task = self.stretch.sites[position].tile
            below = task.node.y.name
            if not self.stretch.sites[position].run or self.parts[below].halo or self.parts[below].side:
                continue
            for read in self.stretch.sites[position].reads:
                above = self.parts.get(read.name)
                if (
                    above is None
                    or above.halo
                    or above.side
                    or above.dies != position
                    or task.leads.get((read.name, below)) != 0
                ):
                    continue
                same = zip(
                    (*self.rows.y[read.name], *self.columns.x[read.name]),
                    (*self.rows.y[below], *self.columns.x[below]),
                    strict=True,
                )
                if all(np.array_equal(a, b) for a, b in same):
                    yield position, (read.name, below)
                    break

    def lead(self, first: int, streamed: str | None) -> tuple[str, int] | None:
        """An input that lies whole and dies with the segment, and how far the output must start below it.

        The output may take the place of rows that no later step reads.
        """
        if self.columns.count > 1:
            return None
        last, stretch = self.end.last, self.stretch
        direct = {r.name for r in stretch.sites[last].reads}
        pinned = {n for n in self.end.border(first) if stretch.dies[n] != max(stretch.readers[n])}
        excluded = direct | pinned | {streamed}
        candidates = [n for n in self.end.border(first) if stretch.dies[n] <= last and n not in excluded]
        if not candidates:
            return None
        name = max(candidates, key=lambda n: stretch.size[n])
        lo, hi = self.rows.needed(name, first)
        needed = np.where(hi > lo, lo, stretch.graph.tensors[name].shape[1])
        later = np.minimum.accumulate(needed[::-1])[::-1][1:] * stretch.row_bytes(name)
        written = self.rows.y[self.end.output][1][:-1] * self._output_row_bytes()
        read_on = np.flatnonzero(later < stretch.graph.tensors[name].bytes)
        lead = int((written[read_on] - later[read_on]).max()) if len(read_on) else 0
        return name, max(0, lead)

    def _output_row_bytes(self) -> int:
        """Bytes that the segment writes per row; 0 where it writes its output at the very end."""
        return 0 if self.stretch.sites[self.end.last].reduces else self.stretch.row_bytes(self.end.output)

    def streamable(self, first: int) -> str | None:
        """The graph input that may be streamed into the segment from ``first`` on."""
        if first != 0 or not self.rows.keep:
            return None
        prog, stretch = self.stretch.prog, self.stretch
        for name in self.end.border(0):
            storage = prog.storages[name]
            inside = stretch.dies[name] <= self.end.last and stretch.readers[name] and name not in stretch.shared
            ranges = self.rows.streamed(name)
            # an input of which only padding is seen is not waited for
            read = ranges is not None and bool((ranges[1] > ranges[0]).any())
            if storage.kind == "input" and not storage.is_output and inside and read:
                return name
        return None

    def streamed_patch(self, name: str) -> tuple[int, int]:
        """Bytes of the patch of a streamed input, and bytes moved within it."""
        ranges = self.rows.streamed(name)
        assert ranges is not None
        lo, hi = ranges
        kept = kept_rows(lo, hi)
        row_bytes = self.stretch.row_bytes(name)
        return int((hi - lo).max()) * row_bytes, int(kept[lo[1:] > lo[:-1]].sum()) * row_bytes

    def options(self, *, stream: bool, whole: bool, ceiling: int) -> Iterator[Option]:
        """The segments of the family: one per beginning, and one more where the input can be streamed.

        Args:
            stream, whole: with the input streamed, with it whole in memory.
            ceiling: options above so many bytes are of no use, unless the input is streamed: that may be asked for even
                where it needs more memory.
        """
        last = self.end.last
        stream = stream and self.end.first == 0
        floor, alive = 0, np.zeros(last - self.end.first + 1, np.int64)
        for first in range(last, self.end.first - 1, -1):
            part = self.parts.get(self.stretch.sites[first].out.name)
            if part is not None:
                floor += min(part.halo, part.patch) if self.columns.count == 1 else part.halo + part.side
                if not part.halo or self.columns.count > 1:
                    alive[part.born - self.end.first : part.dies - self.end.first + 1] += part.patch
            if floor + int(alive.max()) // 2 > ceiling:  # in place two patches may be one
                if not stream:
                    break
                whole = False
            tiles = self.columns.count * self.rows.count
            if whole and first < last and tiles > 1:
                option = self.option(first, None)
                if option.bytes <= ceiling:
                    yield option
            streamed = self.streamable(first) if stream and first == 0 else None
            if streamed is not None:
                yield self.option(first, streamed)

    def option(self, first: int, streamed: str | None, limit: int | None = None) -> Option:
        """The segment from ``first`` on.

        Patches stay in memory where that lowers the peak; with a ``limit`` also where it saves copies and still fits.
        """
        stretch, last = self.stretch, self.end.last
        names = [stretch.sites[p].out.name for p in range(first, last)]
        parts = [self.parts[n] for n in names]
        copied = 0
        held = stretch.entry[first]
        slack = [stretch.slack(n) for n in (*stretch.entering(first), self.end.output) if n != streamed]
        out = stretch.size[self.end.output]
        if streamed is not None:
            patch, copied = self.streamed_patch(streamed)
            held += align(patch) - stretch.size[streamed] + align(STATE_BYTES)
            slack += [align(patch) - patch, align(STATE_BYTES) - STATE_BYTES]
        over = self.lead(first, streamed)
        if over is not None:
            size = stretch.size[over[0]]
            held += extent(out, [(align(over[1]), size)]) - size
        else:
            held += out
        alive = [align(stretch.sites[p].tile.scratch) for p in range(first, last + 1)]
        if stretch.sites[last].reduces:  # its scratch holds the sums from tile to tile
            held += alive[-1]
            slack.append(alive[-1] - stretch.sites[last].tile.scratch)
            alive[-1] = 0
        for part in parts:
            held += part.halo + part.side
            for position in range(part.born, part.dies + 1):
                alive[position - first] += part.patch
        for position, (above, below) in self.in_place.items():
            if position >= first and self.parts[above].born >= first:
                alive[position - first] -= min(self.parts[above].patch, self.parts[below].patch)
        resident, held, alive = self._stay(parts, held, alive, limit)
        slack += [p.patch_slack if p.name in resident else max(p.halo_slack, p.side_slack) for p in parts]
        names.append(self.end.output)
        peak = max(alive)
        passing = min(self._slack(parts, resident, first + k) for k, size in enumerate(alive) if size == peak)
        return Option(
            first,
            last,
            self.cut,
            streamed,
            frozenset(resident),
            held + peak,
            max([*slack, passing]),
            sum(self.macs[n] for n in names),
            sum(self.extra[n] for n in names),
            copied + sum(p.moved if p.name in resident else p.copied for p in parts),
            sum(self.calls[n] for n in names),
        )

    def _stay(
        self, parts: list[_Part], held: int, alive: list[int], limit: int | None
    ) -> tuple[set[str], int, list[int]]:
        """Tensors whose patch stays in memory instead of being filled from a line buffer, the bytes that then live
        through the whole segment, and those that live besides them during each operator.

        Greedy: at the peak the tensor whose line buffer and patch together save most; the best prefix counts.
        """
        resident: set[str] = set()
        left = [p for p in parts if p.halo] if self.columns.count == 1 else []
        if not left:
            return resident, held, alive
        first = self.end.last - len(alive) + 1
        chosen: list[_Part] = []
        states = [(held, list(alive))]
        while left:
            held, alive = states[-1]
            top = max(range(len(alive)), key=alive.__getitem__) + first
            at_top = [p for p in left if p.born <= top <= p.dies]
            if not at_top:
                break
            part = max(at_top, key=lambda p: (p.halo, -p.patch))
            left.remove(part)
            chosen.append(part)
            states.append(_settled(part, held, alive, first))
        best = min(range(len(states)), key=lambda k: (states[k][0] + max(states[k][1]), k))
        resident = {p.name for p in chosen[:best]}
        held, alive = states[best]
        if limit is not None:
            for part in sorted(
                (p for p in parts if p.halo and p.name not in resident), key=lambda p: p.moved - p.copied
            ):
                trial = _settled(part, held, alive, first)
                if trial[0] + max(trial[1]) <= limit:
                    resident.add(part.name)
                    held, alive = trial
        return resident, held, alive

    def _slack(self, parts: list[_Part], resident: set[str], position: int) -> int:
        """Unused bytes of the buffers that live during one operator but not through the whole segment."""
        scratch = self.stretch.sites[position].tile.scratch
        here = [p.patch_slack for p in parts if p.born <= position <= p.dies and p.name not in resident]
        return max([align(scratch) - scratch, *here])


def _settled(part: _Part, held: int, alive: list[int], first: int) -> tuple[int, list[int]]:
    """Bytes held and alive when the patch of ``part`` stays."""
    after = list(alive)
    for position in range(part.born, part.dies + 1):
        after[position - first] -= part.patch
    return held + part.patch - part.halo, after
