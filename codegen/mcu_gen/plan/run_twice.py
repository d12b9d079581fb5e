"""Running operators twice: a map that a global statistic and a later operator need is computed anew for the latter.

In squeeze-and-excitation (Hu et al. 2018) a map is averaged over height and width and then multiplied by what a small
network makes of the averages.  The multiplication comes after the average, so the map has to be whole in memory, unless
the operators that produce it run a second time: once for the average, a segment that ends in a reduction, and once for
the multiplication, at the head of the segment that it is part of.  In between lies keeping the first rows of the map
and running the operators twice for the rows below them.  These are changes of the graph, and how a changed graph runs
is for the search to find.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mcu_gen.graph import DType, Graph, Op, Tensor
from mcu_gen.plan.fusion import Edges, Path, front
from mcu_gen.plan.stretch import Site, Stretch

#: Operators that one branch may run twice.
LONGEST = 8
#: Parts of a map of which some are kept.
PARTS = 4
#: Operators in all the changed graphs that are searched; beyond, only the branches at the peak are tried.
EFFORT = 600

#: A changed graph and its operators that run a second time (name -> the name of the first one) to what is searched.
Prepare = Callable[[Graph, Mapping[str, str]], Stretch]


@dataclass(frozen=True)
class Branch:
    """A map that a reduction reads, and later operators that need the reduction as well.

    Attributes:
        map: the tensor.
        late: names of the operators that read it and depend on the reduction.
        chain: names of the operators that produce it, the last one first: any number of them from the front may run
            twice, what they read from outside lies whole in memory.
    """

    map: str
    late: tuple[str, ...]
    chain: tuple[str, ...]


def branches(stretch: Stretch) -> list[Branch]:
    """The branches of a program, in the order of their reductions; none in a graph that trains itself."""
    if stretch.graph.training is not None:
        return []
    found: dict[str, Branch] = {}
    for site in stretch.sites:
        name = site.task.node.x.name if site.reduces else None
        if name is None or name in found or name in stretch.shared or name in stretch.graph.outputs:
            continue
        behind = _dependents(stretch.graph, site.out.name)
        late = tuple(op.name for op in stretch.graph.consumers(name) if op.name in behind)
        chain = _chain(stretch, name)
        if late and chain:
            found[name] = Branch(name, late, chain)
    return list(found.values())


def _dependents(graph: Graph, tensor: str) -> set[str]:
    """Names of all operators that need a tensor."""
    tensors, found = {tensor}, set()
    for op in graph.ops:
        if not tensors.isdisjoint(op.inputs):
            tensors.update(op.outputs)
            found.add(op.name)
    return found


def _chain(stretch: Stretch, name: str) -> tuple[str, ...]:
    """Operators that produce a map, the last one first, as far as they run on tiles.

    Graph inputs, statistics of one pixel and what only whole operators compute are not produced again.
    """
    wanted, chain = {name}, []
    for position in range(stretch.born[name], -1, -1):
        site = stretch.sites[position]
        if site.out.name in wanted and site.reason is None and not site.reduces and site.out.name not in stretch.shared:
            chain.append(site.task.node.name)
            wanted.update(_maps(stretch, site))
            if len(chain) == LONGEST:
                break
    return tuple(chain)


def _maps(stretch: Stretch, site: Site) -> list[str]:
    shapes = {r.name: stretch.graph.tensors[r.name].shape for r in site.reads}
    return [n for n, shape in shapes.items() if shape[1] * shape[2] > 1]


def run_twice(graph: Graph, branch: Branch, count: int, kept: int = 0) -> tuple[Graph, dict[str, str]]:
    """A graph in which the last ``count`` operators of a branch's chain run again, right before they are needed late.

    With ``kept`` rows, these are computed first, by the operators as they are, and stay in memory; the operators run
    again for the rows below, once for the reduction and once for what needs it.  Operators and tensors of the last run
    are called ``NAME.again``, those of the one before ``NAME.below``.

    Returns:
        The graph, and for each operator of a further run the name of the one that it repeats.
    """
    assert 0 < count <= len(branch.chain)
    assert 0 <= kept < graph.tensors[branch.map].shape[1]
    changed = _Changed(graph, branch, set(branch.chain[:count]))
    at = next(i for i, op in enumerate(graph.ops) if op.name in branch.late)
    if kept == 0:
        ops = [*graph.ops[:at], *changed.run("again"), *changed.reading(graph.ops[at:], changed.tensors[branch.map])]
    else:
        born = next(i for i, op in enumerate(graph.ops) if branch.map in op.outputs) + 1
        top = changed.cut("kept", branch.map, 0, kept)
        first = [*changed.run("below"), *changed.joined("whole", top, kept)]
        between = [_reading(op, branch.map, changed.tensors["whole"]) for op in graph.ops[born:at]]
        ops = [
            *graph.ops[:born],
            top,
            *first,
            *between,
            *changed.run("again"),
            *changed.joined("whole.again", top, kept),
        ]
        ops += changed.reading(graph.ops[at:], changed.tensors["whole.again"])
    changed.graph.ops = ops
    return changed.graph, changed.repeats


class _Changed:
    """A graph that is given further runs of some operators of a branch.

    Attributes:
        tensors: the tensors of the latest run by their names in the first one, and those of joined rows.
    """

    def __init__(self, graph: Graph, branch: Branch, chosen: set[str]) -> None:
        self.graph, self.branch = graph.copy(), branch
        self.again = [op for op in graph.ops if op.name in chosen]
        self.tensors: dict[str, str] = {}
        self.repeats: dict[str, str] = {}

    def run(self, suffix: str) -> list[Op]:
        """The chosen operators again."""
        graph, ops, tensors = self.graph, [], {}
        for op in self.again:
            for name in op.outputs:
                tensors[name] = graph.unique_name(f"{name}.{suffix}")
                graph.add_tensor(graph.tensors[name].replace(name=tensors[name]))
            name = tensors.get(op.name) or graph.unique_name(f"{op.name}.{suffix}")
            self.repeats[name] = op.name
            ops.append(
                op.replace(
                    name=name,
                    inputs=tuple(n if n is None else tensors.get(n, n) for n in op.inputs),
                    outputs=tuple(tensors[n] for n in op.outputs),
                )
            )
        self.tensors.update(tensors)
        return ops

    def cut(self, suffix: str, tensor: str, first: int, end: int) -> Op:
        """Rows [first, end) of a tensor."""
        t = self.graph.tensors[tensor]
        _, _, width, channels = t.shape
        name = self.graph.add_tensor(
            t.replace(
                name=self.graph.unique_name(f"{self.branch.map}.{suffix}"), shape=(1, end - first, width, channels)
            )
        ).name
        bounds = [self._constant(f"{name}.from", (0, first, 0, 0))]
        bounds.append(self._constant(f"{name}.size", (1, end - first, width, channels)))
        return Op(name, "slice", (tensor, *bounds), (name,), {})

    def joined(self, name: str, top: Op, kept: int) -> list[Op]:
        """The kept rows of the map, and below them those of the latest run."""
        t = self.graph.tensors[self.branch.map]
        latest = self.tensors[self.branch.map]
        below = self.cut(f"{name}.below", latest, kept, t.shape[1])
        out = self.graph.add_tensor(t.replace(name=self.graph.unique_name(f"{t.name}.{name}"))).name
        self.tensors[name] = out
        attrs = {"axis": 1, "activation": "none"}
        return [below, Op(out, "concatenation", (top.outputs[0], below.outputs[0]), (out,), attrs)]

    def reading(self, ops: Sequence[Op], tensor: str) -> list[Op]:
        """``ops``, of which those that need the reduction read ``tensor`` instead of the map."""
        return [_reading(op, self.branch.map, tensor) if op.name in self.branch.late else op for op in ops]

    def _constant(self, name: str, values: tuple[int, ...]) -> str:
        data = np.array(values, np.int32)
        return self.graph.add_tensor(Tensor(self.graph.unique_name(name), data.shape, DType.INT32, None, data)).name


def _reading(op: Op, old: str, new: str) -> Op:
    """``op`` with one input instead of another."""
    return op.replace(inputs=tuple(new if n == old else n for n in op.inputs))


def variants(edges: Edges, kinds: Sequence[str], prepare: Prepare) -> list[Edges]:
    """What else may run than the program of ``edges``: its graph with branches that run operators twice.

    All combinations where these are few.  Otherwise those of the branches that live at the peak of the plan with the
    least memory, then, with the best of these, of the branches that live at its peak, and so on while that helps.
    """
    start = edges.stretch
    found = branches(start)
    total = 1
    for branch in found:
        total *= 1 + len(branch.chain) * (1 + len(kept_rows(start, branch)))
    if total * len(start) <= EFFORT:
        stretches = [start]
        for branch in found:
            stretches += [s for before in stretches for s in _changed(before, branch.map, prepare)]
        return [Edges.of(s) for s in stretches[1:]]
    best, room, tried = edges, EFFORT, []
    while room > 0 and (path := _least(best, kinds)) is not None:
        top = max(path.edges, key=lambda e: e.bytes)
        at_peak = [
            b.map
            for b in branches(best.stretch)
            if best.stretch.born[b.map] <= top.last and top.first <= best.stretch.dies[b.map]
        ]
        before = path.bytes
        for name in at_peak:
            several = [Edges.of(s) for s in _changed(best.stretch, name, prepare, kept=False)]
            fewest = [p.bytes if (p := _least(e, kinds)) is not None else before for e in several]
            count = 1 + fewest.index(min(fewest))
            several += [Edges.of(s) for s in _changed(best.stretch, name, prepare, only=count)]
            tried += several
            room -= sum(len(e.stretch) for e in several)
        smaller = [(p.bytes, k) for k, e in enumerate(tried) if (p := _least(e, kinds)) is not None]
        if not smaller or min(smaller)[0] >= before:
            break
        best = tried[min(smaller)[1]]
    return tried


def kept_rows(stretch: Stretch, branch: Branch) -> list[int]:
    """Numbers of rows of a branch's map that may be kept."""
    height = stretch.graph.tensors[branch.map].shape[1]
    return sorted({height * k // PARTS for k in range(1, PARTS)} - {0})


def _changed(
    stretch: Stretch, name: str, prepare: Prepare, *, kept: bool = True, only: int | None = None
) -> list[Stretch]:
    """The programs in which operators that produce the map ``name`` run twice, one per number of operators.

    With ``kept``, also those that keep rows; with ``only`` a number of operators, these alone.
    """
    branch = next((b for b in branches(stretch) if b.map == name), None)
    if branch is None:
        return []
    found = []
    for count in range(1, 1 + len(branch.chain)) if only is None else [only]:
        for rows in [*([0] if only is None else []), *(kept_rows(stretch, branch) if kept else [])]:
            graph, repeats = run_twice(stretch.graph, branch, count, rows)
            found.append(prepare(graph, {**stretch.repeats, **repeats}))
    return found


def _least(edges: Edges, kinds: Sequence[str]) -> Path | None:
    """The plan that needs the fewest bytes."""
    paths = [path for kind in kinds for path in front(edges.of_kind(kind), len(edges.stretch))]
    return min(paths, key=lambda p: p.bytes, default=None)
