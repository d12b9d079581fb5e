"""The search for segments: which stretches of a program run tile by tile, and how they are cut.

A program in a fixed order is a line of positions; running one operator as a whole or a stretch of operators as a
segment is an edge.  Around an edge lives what was computed before and is needed later, whatever the other edges are:
so every edge has a price of its own (arithmetic done twice, bytes copied) and needs bytes of its own, and a plan is a
shortest path over the edges that fit.  Doing that for falling limits gives the whole front of memory against
arithmetic, exactly, over all candidate cuts (compare msf-CNN, Huang et al. 2025, which searches chains).
"""

from __future__ import annotations

import dataclasses
import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mcu_gen.plan.axes import Columns, ColumnSchedule, End, RowSchedule, RowTiles
from mcu_gen.plan.liveness import align
from mcu_gen.plan.segment import STATE_BYTES, Cut, Family, Option
from mcu_gen.plan.stretch import Stretch

#: Columns of tiles that are tried.
SPLITS = (1, 2, 3, 4, 6, 8, 12, 16)

#: Instructions that one more call of a kernel takes: parameters, loops that begin and end.
CALL = 200

#: Price of an edge or path: multiply-accumulates done twice, bytes copied and instructions lost to calls and to slower
#: kernels, segments.
Price = tuple[int, int, int]


def sizes(extent: int) -> list[int]:
    """Rows per tile that are tried: powers of two and even parts, below ``extent`` (1 for a single row)."""
    found = {1 << k for k in range(extent.bit_length()) if 1 << k < extent}
    found |= {-(-extent // parts) for parts in SPLITS[1:] if parts <= extent}
    return sorted(found | ({1} if extent == 1 else set()))


def cuts(end: End) -> Iterator[tuple[Cut, RowSchedule | RowTiles, ColumnSchedule | Columns]]:
    """The candidates for the segments that end at an operator.

    Line buffers with tiles of the whole width, with columns kept, and with columns computed again; and patches that
    compute everything again.
    """
    height, width = end.height, end.width
    # a sum of floats depends on the order of its terms, which rows keep and tiles do not
    site = end.stretch.sites[end.last]
    splits = (1,) if site.reduces and site.out.dtype.is_float else SPLITS
    columns: dict[tuple[int, int], ColumnSchedule | Columns] = {}
    for parts in splits:
        tile_w = -(-width // parts)
        if parts > width or (tile_w, 0) in columns:
            continue
        columns[tile_w, 0] = Columns(end, tile_w)
        if tile_w < width:
            columns[tile_w, 1] = ColumnSchedule(end, tile_w, 1)
    finest = math.ceil(max(RowSchedule(end, 1, 1).rate.values()))
    spread = sorted({1 << k for k in range(finest.bit_length())} | {finest})
    schedules = [(1, phases) for phases in spread] + [(h, 1) for h in sizes(height) if h > 1]
    rows: list[tuple[int, int, RowSchedule | RowTiles]] = [(h, p, RowSchedule(end, h, p)) for h, p in schedules]
    patches = [h for h in sizes(height) if h & (h - 1) == 0]
    rows += [(h, 1, RowTiles(end, h)) for h in dict.fromkeys((*patches, height))]
    for tile_h, phases, plan in rows:
        for (tile_w, _), across in columns.items():
            if plan.keep or not across.keep:
                yield Cut(tile_h, tile_w, phases, plan.keep, across.keep), plan, across


@dataclass(frozen=True)
class Edge:
    """One way to get from operator ``first`` to behind operator ``last``."""

    first: int
    last: int
    #: aligned bytes, and the most of them that the topmost buffer may leave unused
    total: int
    slack: int
    price: Price
    family: Family | None = None
    option: Option | None = None

    @property
    def bytes(self) -> int:
        """No packing of what lives during the edge takes less."""
        return self.total - self.slack


@dataclass(frozen=True)
class Path:
    """A whole plan before packing: its edges, the bytes that no packing goes below, and its price."""

    edges: tuple[Edge, ...]
    bytes: int
    price: Price

    @property
    def segments(self) -> list[tuple[Family, Option]]:
        return [(e.family, e.option) for e in self.edges if e.family is not None and e.option is not None]


@dataclass
class Edges:
    """All edges of a program that may be part of a plan on the front."""

    stretch: Stretch
    layers: list[Edge] = field(default_factory=list)
    whole: list[Edge] = field(default_factory=list)
    streamed: list[Edge] = field(default_factory=list)

    @classmethod
    def of(cls, stretch: Stretch) -> Edges:
        edges = cls(stretch)
        edges.layers = [
            Edge(p, p, *stretch.layer_bytes(p), (stretch.repeated_macs(p, p), 0, 0)) for p in range(len(stretch))
        ]
        ceiling = max((e.bytes for e in edges.layers), default=0)
        for last in range(len(stretch)):
            end = End.at(stretch, last)
            if end.first > last:
                continue
            best: dict[tuple[int, str | None], list[Edge]] = {}
            for cut, rows, columns in cuts(end):
                family = Family(end, cut, rows, columns)
                for option in family.options(stream=True, whole=True, ceiling=ceiling):
                    again = stretch.repeated_macs(option.first, last)
                    calls = CALL * (option.calls - (last + 1 - option.first))
                    lost = option.copied + calls + stretch.slower(option.first, last)
                    price = (option.extra_macs + again, lost, 1)
                    edge = Edge(option.first, last, option.total, option.slack, price, family, option)
                    _keep_best(best.setdefault((option.first, option.streamed), []), edge)
            for (_, streamed), found in best.items():
                (edges.whole if streamed is None else edges.streamed).extend(found)
        return edges

    def of_kind(self, kind: str) -> list[Edge]:
        """The edges of plans whose input is whole in memory (``whole``), streamed in (``rows``) or streamed through its
        QUANTIZE and whole in its quantized form (``quantized``); none where the graph has no such plans.
        """
        if kind == "whole":
            return self.layers + self.whole
        streamed = self.streamed
        if kind == "quantized":
            streamed = [e for e in streamed if e.last == 0 and self.stretch.sites[0].task.node.type == "quantize"]
        if not streamed:
            return []
        # alive throughout, counted in ``streamed``
        state, unused = align(STATE_BYTES), align(STATE_BYTES) - STATE_BYTES
        later = [e for e in (*self.layers, *self.whole) if e.first > 0]
        return streamed + [dataclasses.replace(e, total=e.total + state, slack=max(e.slack, unused)) for e in later]


def _keep_best(edges: list[Edge], edge: Edge) -> None:
    """Adds an edge unless another one is no worse in bytes and price; drops those that it beats."""
    if any(e.bytes <= edge.bytes and e.price <= edge.price for e in edges):
        return
    edges[:] = [e for e in edges if not (edge.bytes <= e.bytes and edge.price <= e.price)]
    edges.append(edge)


def ranked(edges: Sequence[Edge], count: int, limit: int, most: int) -> list[Path]:
    """The ``most`` paths with the lowest prices (then bytes) over edges of at most ``limit`` bytes, the best first."""
    into: list[list[Edge]] = [[] for _ in range(count + 1)]
    for edge in edges:
        if edge.bytes <= limit:
            into[edge.last + 1].append(edge)
    # ways to a position: price, bytes, the last edge, and which of the ways to its beginning comes before it
    ways: list[list[_Way]] = [[] for _ in range(count + 1)]
    ways[0] = [((0, 0, 0), 0, 0, None)]
    for position in range(1, count + 1):
        found: list[_Way] = []
        for edge in into[position]:
            for rank, before in enumerate(ways[edge.first]):
                (macs, copied, segments), (more, moves, another) = before[0], edge.price
                price = (macs + more, copied + moves, segments + another)
                found.append((price, max(before[1], edge.bytes), rank, edge))
        ways[position] = heapq.nsmallest(most, found, key=lambda way: way[:2])
    return [_traced(ways, count, rank) for rank in range(len(ways[count]))]


#: Price, bytes, rank of the way to the beginning of the edge, edge.
_Way = tuple[Price, int, int, "Edge | None"]


def _traced(ways: list[list[_Way]], position: int, rank: int) -> Path:
    price, needs, before, edge = ways[position][rank]
    path: list[Edge] = []
    while edge is not None:
        path.append(edge)
        _, _, before, edge = ways[edge.first][before]
    return Path(tuple(reversed(path)), needs, price)


def front(edges: Sequence[Edge], count: int, limit: int | None = None) -> Iterator[Path]:
    """All plans of at most ``limit`` bytes of which none is better in bytes and in price, the cheapest first."""
    if limit is None:
        limit = max((e.bytes for e in edges), default=0)
    while True:
        paths = ranked(edges, count, limit, 1)
        if not paths or not paths[0].edges:
            return
        yield paths[0]
        limit = paths[0].bytes - 1


def why_not_streamed(stretch: Stretch) -> list[str]:
    """Reasons for which no graph input can be streamed: what stops the segments that begin at its first reader."""
    reasons = []
    for name in stretch.graph.inputs:
        last = stretch.dies.get(name, -1)
        if name in stretch.shared:
            reasons.append(f"{name} is reshaped")
        elif last >= len(stretch) or last < 0:
            reasons.append(f"{name} is {'an output' if last >= 0 else 'not read'}")
        else:
            ends = [End.at(stretch, p) for p in range(last, len(stretch))]
            reach = min(ends, key=lambda e: e.first)
            reasons.append(f"{name} is read up to layer {stretch.sites[last].task.node.name}; {reach.reason}")
    return reasons
