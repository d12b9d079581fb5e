"""Which fused plan to take: the cheapest within a limit, the smallest within a budget, or the whole front."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mcu_gen.plan.assemble import Layout, assemble
from mcu_gen.plan.fusion import Edges, Path, front
from mcu_gen.plan.liveness import align
from mcu_gen.plan.stretch import Stretch

#: What ``--input`` allows, in the order in which it is tried.
INPUT_MODES = {
    "keep": (("whole", "quantized"),),
    "rows": (("rows",),),
    "auto": (("whole", "quantized"), ("rows",)),
}


@dataclass
class Chooser:
    """All plans of a program, for one or several orders of its operators."""

    stretches: Sequence[Stretch]
    _edges: list[Edges] = field(default_factory=list)
    _packed: dict[tuple[int, Path], Layout] = field(default_factory=dict)

    def edges(self) -> list[Edges]:
        if not self._edges:
            self._edges = [Edges.of(s) for s in self.stretches]
        return self._edges

    def paths(self, kinds: Sequence[str], limit: int | None = None) -> Iterator[tuple[int, Path]]:
        """Paths of the fronts of several kinds and orders; the cheapest first, equal ones by bytes."""
        found = [
            (index, path)
            for index, edges in enumerate(self.edges())
            for kind in kinds
            for path in front(edges.of_kind(kind), len(edges.stretch), limit)
        ]
        return iter(sorted(found, key=lambda f: (f[1].price, f[1].bytes, f[0])))

    def layout(self, index: int, path: Path) -> Layout:
        """A path, packed."""
        key = (index, path)
        if key not in self._packed:
            self._packed[key] = assemble(self.stretches[index], path.segments)
        return self._packed[key]

    def fewest_macs(self, kinds: Sequence[str], limit: int) -> Layout | None:
        """The plan with the fewest extra multiply-accumulates in an arena of at most ``limit`` bytes.

        Among equal ones that with the fewest copied bytes: patches stay in memory where there is room.
        """
        for index, path in self.paths(kinds, align(limit)):
            segments = [
                (family, family.option(option.first, option.streamed, align(limit) - self._shared(path, family)))
                for family, option in path.segments
            ]
            if any(new.copied < old.copied for (_, new), (_, old) in zip(segments, path.segments, strict=True)):
                roomy = assemble(self.stretches[index], segments)
                if roomy.placement.arena_bytes <= limit:
                    return roomy
            layout = self.layout(index, path)
            if layout.placement.arena_bytes <= limit:
                return layout
        return None

    @staticmethod
    def _shared(path: Path, family: object) -> int:
        """Bytes that the plan needs at a segment beyond what its option counts."""
        for edge in path.edges:
            if edge.family is family and edge.option is not None:
                return edge.bytes - edge.option.bytes
        return 0

    def least_ram(self, kinds: Sequence[str], most_extra: float) -> Layout | None:
        """The plan with the smallest arena among those with at most ``most_extra`` extra multiply-accumulates."""
        allowed = [(index, path) for index, path in self.paths(kinds) if path.price[0] <= most_extra]
        best: Layout | None = None
        for index, path in sorted(allowed, key=lambda f: (f[1].bytes, f[1].price)):
            if best is not None and path.bytes - align(1) >= best.placement.arena_bytes:
                break
            layout = self.layout(index, path)
            if best is None or layout.placement.arena_bytes < best.placement.arena_bytes:
                best = layout
        return best

    def smallest(self, kinds: Sequence[str]) -> Layout | None:
        """The plan with the smallest arena, whatever it computes twice."""
        return self.least_ram(kinds, float("inf"))

    def pareto(self, kinds: Sequence[str]) -> list[Layout]:
        """Plans of which none is better in arena bytes and in extra multiply-accumulates; the cheapest first."""
        points: list[Layout] = []
        for index, path in self.paths(kinds):
            layout = self.layout(index, path)
            if not points or layout.placement.arena_bytes < points[-1].placement.arena_bytes:
                points.append(layout)
        return points
