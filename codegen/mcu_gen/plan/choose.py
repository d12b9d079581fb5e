"""Which fused plan to take: the cheapest within a limit, the smallest within a budget, or the whole front."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mcu_gen.plan.assemble import Layout, assemble
from mcu_gen.plan.fusion import Edges, Path, front, ranked
from mcu_gen.plan.liveness import align
from mcu_gen.plan.stretch import Stretch

#: What ``--input`` allows, in the order in which it is tried.
INPUT_MODES = {
    "keep": (("whole", "quantized"),),
    "rows": (("rows",),),
    "auto": (("whole", "quantized"), ("rows",)),
}

#: Paths that are packed when the best one cannot be packed as tightly as it should.
ALTERNATIVES = 12
#: Percent of the usual packing effort for them.
QUICK = 10

#: An index of an order, and a path in it.
Found = tuple[int, Path]


@dataclass
class Chooser:
    """All plans of a program, for one or several orders of its operators."""

    stretches: list[Stretch]
    #: gives further programs that compute the same, for the edges of the first one
    more: Callable[[Edges], list[Edges]] | None = None
    _edges: list[Edges] = field(default_factory=list)
    _packed: dict[tuple[int, Path, int], Layout] = field(default_factory=dict)

    def edges(self) -> list[Edges]:
        if not self._edges:
            self._edges = [Edges.of(s) for s in self.stretches]
        return self._edges

    def widen(self) -> bool:
        """Takes in the programs in which operators run twice; False where there are none, or none that are new."""
        more, self.more = self.more, None
        found = more(self.edges()[0]) if more is not None else []
        self._edges += found
        self.stretches += [e.stretch for e in found]
        return bool(found)

    def fronts(self, kinds: Sequence[str], limit: int | None = None) -> list[Found]:
        """Paths of the fronts of several kinds and orders; the cheapest first, equal ones by bytes."""
        found = [
            (index, path)
            for index, edges in enumerate(self.edges())
            for kind in kinds
            for path in front(edges.of_kind(kind), len(edges.stretch), limit)
        ]
        return sorted(found, key=_by_price)

    def alternatives(self, kinds: Sequence[str], limit: int) -> list[Found]:
        """The cheapest paths of at most ``limit`` bytes, the best first: not all of them can be packed that tightly."""
        found = [
            (index, path)
            for index, edges in enumerate(self.edges())
            for kind in kinds
            for path in ranked(edges.of_kind(kind), len(edges.stretch), limit, ALTERNATIVES)
        ]
        return sorted(found, key=_by_price)[:ALTERNATIVES]

    def layout(self, found: Found, effort: int = 100) -> Layout:
        """A path, packed."""
        key = (*found, effort)
        if key not in self._packed:
            self._packed[key] = assemble(self.stretches[found[0]], found[1].segments, effort)
        return self._packed[key]

    def fewest_macs(self, kinds: Sequence[str], limit: int) -> Layout | None:
        """The plan with the fewest extra multiply-accumulates in an arena of at most ``limit`` bytes.

        Among equal ones that with the fewest copied bytes: patches stay in memory where there is room.
        """
        tight = self.fronts(kinds, limit)
        for found in tight[:1]:
            layout = self._roomy(found, limit) or self.layout(found)
            if layout.placement.arena_bytes <= limit:
                return layout
        for found in self.alternatives(kinds, limit):
            layout = self.layout(found, QUICK)
            if layout.placement.arena_bytes <= limit:
                return layout
        for found in tight[1:]:
            layout = self.layout(found)
            if layout.placement.arena_bytes <= limit:
                return layout
        return None

    def _roomy(self, found: Found, limit: int) -> Layout | None:
        """A path with fewer copies than it counts, where memory is left for patches that stay; None where not."""
        index, path = found
        segments = []
        for edge in path.edges:
            if edge.family is not None and edge.option is not None:
                around = edge.total - edge.option.total  # what the plan needs there besides
                room = align(limit) - around
                segments.append((edge.family, edge.family.option(edge.option.first, edge.option.streamed, room)))
        if all(new.copied >= old.copied for (_, new), (_, old) in zip(segments, path.segments, strict=True)):
            return None
        layout = assemble(self.stretches[index], segments, QUICK)
        return layout if layout.placement.arena_bytes <= limit else None

    def least_ram(self, kinds: Sequence[str], most_extra: float = float("inf")) -> Layout | None:
        """The plan with the smallest arena among those with at most ``most_extra`` extra multiply-accumulates."""
        best: Layout | None = None
        allowed = [found for found in self.fronts(kinds) if found[1].price[0] <= most_extra]
        for found in sorted(allowed, key=lambda f: (f[1].bytes, f[1].price)):
            if best is not None and found[1].bytes >= best.placement.arena_bytes:
                break
            best = _smaller(best, self.layout(found))
        while best is not None:
            before = best.placement.arena_bytes
            for found in self.alternatives(kinds, before - 1):
                if found[1].price[0] <= most_extra:
                    best = _smaller(best, self.layout(found, QUICK))
            if best.placement.arena_bytes >= before:
                break
        return best

    def pareto(self, kinds: Sequence[str], copies: bool) -> list[Layout]:
        """Plans of which none is better in arena bytes and in extra multiply-accumulates; the cheapest first.

        With ``copies`` also plans that need more memory and copy less.
        """
        points: list[Layout] = []
        found = self.fronts(kinds)
        if not copies:
            found.sort(key=lambda f: (f[1].price[0], f[1].bytes, f[1].price, f[0]))
        for entry in found:
            if points and entry[1].bytes >= points[-1].placement.arena_bytes:
                continue
            layout = self.layout(entry)
            if not points or layout.placement.arena_bytes < points[-1].placement.arena_bytes:
                if points and not copies and layout.extra_macs == points[-1].extra_macs:
                    points.pop()
                points.append(layout)
        return points


def _by_price(found: Found) -> tuple[tuple[int, int, int], int, int]:
    return found[1].price, found[1].bytes, found[0]


def _smaller(best: Layout | None, other: Layout) -> Layout:
    return other if best is None or other.placement.arena_bytes < best.placement.arena_bytes else best
