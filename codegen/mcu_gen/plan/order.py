"""The operator order with the smallest peak of live bytes.

The bytes that are live after a set of tasks do not depend on the order within the set, so orders are paths through the
lattice of downsets of the graph, and the best one is a minimax path: best-first search with memory, exact as long as
it stays within a budget of states (a count, so the result never depends on the speed of the machine).  Beyond it,
the best of the model's own order and of beam searches of several widths is taken.

The search prunes with a dominance rule: a task that is ready, that fits below the peak reached so far and after
which no more bytes are live than before may run at once; moving it forward lowers or keeps every later sum.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mcu_gen.plan.liveness import Program, align, extent

#: Transitions that the exact search may look at.
STATES = 60_000
#: Widths of the beam searches that give the first bound.
BEAMS = (1, 8)


@dataclass(frozen=True)
class _Use:
    """What running one task does to the live bytes."""

    needs: int  # mask of tasks that come before
    grows: int  # bytes of the outputs
    scratch: int
    drops: int  # bytes of the outputs that nobody reads
    frees: tuple[tuple[str, int, int], ...]  # inputs that can die: name, bytes, mask of readers
    outs: tuple[tuple[str, int], ...]
    leads: dict[tuple[str, str], int]


class Sequencer:
    """The lattice of downsets of a program; a downset is a bit mask of task indices."""

    def __init__(self, prog: Program) -> None:
        self.count = len(prog.tasks)
        sizes = {n: align(s.bytes) for n, s in prog.storages.items()}
        pinned = {n for n, s in prog.storages.items() if s.is_output or s.is_variable}
        readers = dict.fromkeys(prog.storages, 0)
        writer: dict[str, int] = {}
        for i, task in enumerate(prog.tasks):
            for name in task.reads:
                readers[name] |= 1 << i
            for name in task.writes:
                writer.setdefault(name, i)
        self.uses: list[_Use] = []
        previous_stateful = 0
        for i, task in enumerate(prog.tasks):
            needs = 0 if i < prog.inference else (1 << prog.inference) - 1
            for name in task.reads:
                if name in writer and not prog.storages[name].is_variable:
                    needs |= 1 << writer[name]
            if task.stateful:
                needs |= previous_stateful
                previous_stateful = 1 << i
            outs = tuple((n, sizes[n]) for n in task.writes if not prog.storages[n].is_variable)
            self.uses.append(
                _Use(
                    needs=needs,
                    grows=sum(size for _, size in outs),
                    scratch=align(task.scratch),
                    drops=sum(size for n, size in outs if not readers[n] and n not in pinned),
                    frees=tuple((n, sizes[n], readers[n]) for n in task.reads if n not in pinned),
                    outs=outs,
                    leads={pair: align(lead) for pair, lead in task.leads.items()},
                )
            )
        interface = [n for n, s in prog.storages.items() if s.is_input or s.is_variable]
        results = [n for n, s in prog.storages.items() if s.is_output or s.is_variable]
        #: Peak that no order avoids: the interface, and every task on its own.
        self.floor = max([sum(sizes[n] for n in interface), sum(sizes[n] for n in results)])
        self.start = sum(sizes[n] for n in interface if readers[n] or n in pinned)
        held = sum(sizes[n] for n, s in prog.storages.items() if s.is_variable)
        for i, task in enumerate(prog.tasks):
            alone = held + sum(sizes[n] for n in task.reads if not prog.storages[n].is_variable)
            everything = (1 << self.count) - 1
            self.floor = max(self.floor, self.step(i, everything & ~(1 << i), alone)[0])

    def step(self, task: int, done: int, live: int) -> tuple[int, int]:
        """Bytes during ``task`` and after it, when the tasks ``done`` have run and ``live`` bytes are in use."""
        use = self.uses[task]
        left = ~(done | 1 << task)
        dying = [(name, size) for name, size, readers in use.frees if not readers & left]
        during = live + use.grows + use.scratch - self._saved(use, dying)
        return during, live + use.grows - use.drops - sum(size for _, size in dying)

    @staticmethod
    def _saved(use: _Use, dying: Sequence[tuple[str, int]]) -> int:
        """Bytes that the outputs may share with the inputs that die."""
        if not use.leads or not dying:
            return 0
        if len(use.outs) == 1:
            out, out_bytes = use.outs[0]
            under = [(use.leads[name, out], size) for name, size in dying if (name, out) in use.leads]
            return out_bytes + sum(size for _, size in under) - extent(out_bytes, under)
        inputs = sum(size for name, size in dying if any((name, out) in use.leads for out, _ in use.outs))
        return min(inputs, use.grows)

    def ready(self, done: int) -> Iterator[int]:
        for i, use in enumerate(self.uses):
            if not done >> i & 1 and not use.needs & ~done:
                yield i

    def peak(self, order: Sequence[int]) -> int:
        """Largest sum of live bytes (each rounded up to the alignment) of an order."""
        done, live, peak = 0, self.start, self.floor
        for i in order:
            during, live = self.step(i, done, live)
            peak = max(peak, during)
            done |= 1 << i
        return peak


def _beam(seq: Sequencer, width: int) -> list[int]:
    """Beam search: of every downset size the ``width`` best by peak, then by live bytes."""
    layer: list[tuple[int, int, int, list[int]]] = [(seq.floor, seq.start, 0, [])]
    for _ in range(seq.count):
        best: dict[int, tuple[int, int, int, list[int]]] = {}
        for peak, live, done, path in layer:
            for i in seq.ready(done):
                during, after = seq.step(i, done, live)
                key, entry = done | 1 << i, (max(peak, during), after, done | 1 << i)
                if key not in best or entry < best[key][:3]:
                    best[key] = (*entry, [*path, i])
        layer = sorted(best.values())[:width]
    return layer[0][3]


def _exact(seq: Sequencer, bound: int, states: int) -> tuple[list[int] | None, bool]:
    """An order with the least peak below ``bound``, or None; and whether the search was complete."""
    full = (1 << seq.count) - 1
    best = {0: seq.floor}
    parent: dict[int, int] = {}
    heap = [(seq.floor, 0, 0, seq.start)]
    while heap:
        peak, _, done, live = heapq.heappop(heap)
        if peak > best[done]:
            continue
        if done == full:
            return _path(parent, full), True
        moves = [(i, *seq.step(i, done, live)) for i in seq.ready(done)]
        states -= len(moves)
        if states < 0:
            return None, False
        free = next((m for m in moves if m[1] <= peak and m[2] <= live), None)
        for i, during, after in [free] if free else moves:
            key, value = done | 1 << i, max(peak, during)
            if value < bound and value < best.get(key, bound):
                best[key], parent[key] = value, i
                heapq.heappush(heap, (value, -key.bit_count(), key, after))
    return None, True


def _path(parent: dict[int, int], state: int) -> list[int]:
    order = []
    while state:
        order.append(parent[state])
        state &= ~(1 << parent[state])
    return order[::-1]


@dataclass(frozen=True)
class Order:
    """An execution order (indices into the program's tasks), its peak, and whether no order has a smaller one."""

    tasks: tuple[int, ...]
    peak: int
    optimal: bool


def best_order(prog: Program, states: int = STATES) -> Order:
    """The order with the smallest peak of live bytes found; never above the order of the graph, which wins ties."""
    seq = Sequencer(prog)
    order = list(range(seq.count))
    peak = seq.peak(order)
    for width in BEAMS:
        if peak > seq.floor:
            other = _beam(seq, width)
            if seq.peak(other) < peak:
                order, peak = other, seq.peak(other)
    optimal = peak <= seq.floor
    if not optimal:
        found, optimal = _exact(seq, peak, states)
        if found is not None:
            order, peak = found, seq.peak(found)
    return Order(tuple(order), peak, optimal)
