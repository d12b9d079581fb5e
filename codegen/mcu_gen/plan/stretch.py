"""What a program looks like to the search for segments: its operators in order, what is tileable, what lives when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from mcu_gen.graph import Graph, Tensor, operator
from mcu_gen.kernels.contract import select_tiled
from mcu_gen.plan.liveness import Program, Task, align, extent, served_by
from mcu_gen.plan.tiles import Reach, identity, reach
from mcu_gen.targets import Target


@dataclass(frozen=True)
class Read:
    """A tensor that an operator reads, with what it needs of it along rows and columns."""

    name: str
    rows: Reach
    columns: Reach


@dataclass(frozen=True)
class Site:
    """An operator at its place in the order.

    ``tile`` is the task where it runs on tiles: not every kernel does, so there it may be served by another one.
    """

    task: Task
    tile: Task
    #: why it cannot run on tiles, or None
    reason: str | None
    reads: tuple[Read, ...] = ()
    #: multiply-accumulates per output pixel
    macs_per_pixel: Fraction = Fraction(0)
    #: its kernel computes the pixels one after the other
    run: bool = False
    #: it takes in its input part by part and gives its output after the last one: rows and columns are its input's
    reduces: bool = False

    @property
    def out(self) -> Tensor:
        return self.task.node.y

    @property
    def map(self) -> tuple[int, int]:
        """Rows and columns that tiles cut."""
        shape = (self.task.node.x if self.reduces else self.out).shape
        return shape[1], shape[2]


@dataclass
class Stretch:
    """A program in a fixed order."""

    graph: Graph
    prog: Program
    target: Target
    order: tuple[int, ...]
    #: operators that compute what others have computed before -> the names of these
    repeats: Mapping[str, str] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=list)
    #: storage -> position of its producer (-1: input or variable) and of its last use (count: outputs, variables)
    born: dict[str, int] = field(default_factory=dict)
    dies: dict[str, int] = field(default_factory=dict)
    readers: dict[str, list[int]] = field(default_factory=dict)
    size: dict[str, int] = field(default_factory=dict)

    def __init__(
        self,
        graph: Graph,
        prog: Program,
        target: Target,
        order: Sequence[int],
        repeats: Mapping[str, str] | None = None,
    ) -> None:
        self.graph, self.prog, self.target, self.order = graph, prog, target, tuple(order)
        self.repeats = dict(repeats or {})
        tasks = [prog.tasks[i] for i in self.order]
        self.size = {n: align(s.bytes) for n, s in prog.storages.items()}
        self.born = {n: -1 if s.is_input or s.is_variable else len(tasks) for n, s in prog.storages.items()}
        self.dies = {n: len(tasks) if s.is_output or s.is_variable else -1 for n, s in prog.storages.items()}
        self.readers = {n: [] for n in prog.storages}
        for position, task in enumerate(tasks):
            for name in task.writes:
                self.born[name] = min(self.born[name], position)
            for name in (*task.reads, *task.writes):
                self.dies[name] = max(self.dies[name], position)
            for name in task.reads:
                self.readers[name].append(position)
        #: bytes of what was there before an operator and is still needed
        self.entry = [sum(self.size[n] for n in self.entering(p)) for p in range(len(tasks))]
        self.shared = set(prog.aliases) | set(prog.aliases.values())
        self.sites = [self._site(prog.tasks[i], i < prog.inference) for i in self.order]

    def __len__(self) -> int:
        return len(self.sites)

    def _site(self, task: Task, inference: bool) -> Site:
        node = task.node
        reason = self._refuses(task) if inference else "it is part of the training step"
        if reason is not None:
            return Site(task, task, reason)
        tile = self._tile(task)
        tiling = tile.kernel.tiling(node, self.target)
        if tiling is not None and tiling.kind == "reduce":
            height, width = node.x.shape[1:3]
            read = Read(node.x.name, identity(height), identity(width))
            return Site(
                task, tile, None, (read,), Fraction(operator(node.type).macs(node), height * width), reduces=True
            )
        reads: list[Read] = []
        for index, tensor in enumerate(node.inputs):
            if tensor is None or (tensor.is_constant and not tensor.variable):
                continue
            rows, columns = reach(node, index, 1), reach(node, index, 2)
            if rows is None or columns is None:
                along = "rows" if rows is None else "columns"
                return Site(task, tile, f"{node.type} needs all {along} of {tensor.name}")
            reads.append(Read(tensor.name, rows, columns))
        pixels = node.y.shape[1] * node.y.shape[2]
        run = tiling is not None and tiling.kind == "run"
        return Site(task, tile, None, tuple(reads), Fraction(operator(node.type).macs(node), pixels), run)

    def _tile(self, task: Task) -> Task:
        """The task with the kernel that serves it on tiles, or as it is where there is none.

        A kernel that reduces a map tile by tile goes before one that needs all of it: a segment can end in it.
        """
        own = task.kernel.tiling(task.node, self.target)
        if own is not None and own.kind == "reduce":
            return task
        other = select_tiled(task.node, self.target, only_reduce=own is not None)
        return task if other is None else served_by(task, other, self.prog.aliases, self.target)

    def _refuses(self, task: Task) -> str | None:
        """Why an operator cannot be part of any segment."""
        node = task.node
        if len(node.outputs) != 1:
            return f"{node.type} has {len(node.outputs)} outputs"
        tiling = self._tile(task).kernel.tiling(node, self.target)
        if tiling is None:
            return f"kernel {task.kernel.name} does not run on tiles"
        if task.stateful:
            return "it reads or writes a variable"
        maps = [t for t in node.inputs if t is not None and not t.is_constant]
        for t in (*maps, *([] if tiling.kind == "reduce" else [node.y])):
            if len(t.shape) != 4 or t.shape[0] != 1:
                return f"{t.name} has shape {list(t.shape)}, not [1, height, width, channels]"
            if t.name in self.prog.aliases:
                return f"{t.name} shares its storage with {self.prog.aliases[t.name]}"
        if not any(t is not None and not t.is_constant for t in node.inputs):
            return "it reads constants only"
        return None

    def slower(self, first: int, last: int) -> int:
        """Estimated instructions from ``first`` to ``last`` that kernels for tiles take more than those for layers."""
        sites = [s for s in self.sites[first : last + 1] if s.tile is not s.task]
        costs = [
            s.tile.kernel.cost(s.task.node, self.target) - s.task.kernel.cost(s.task.node, self.target) for s in sites
        ]
        return sum(max(0, cost) for cost in costs)

    def repeated_macs(self, first: int, last: int) -> int:
        """Multiply-accumulates from ``first`` to ``last`` of operators that repeat others."""
        nodes = [site.task.node for site in self.sites[first : last + 1]] if self.repeats else []
        return sum(operator(node.type).macs(node) for node in nodes if node.name in self.repeats)

    def row_bytes(self, name: str) -> int:
        """Bytes of a full-width row of a [1, H, W, C] tensor."""
        t = self.graph.tensors[name]
        return t.bytes // t.shape[1]

    def pixel_bytes(self, name: str) -> int:
        t = self.graph.tensors[name]
        return t.bytes // (t.shape[1] * t.shape[2])

    def entering(self, position: int) -> list[str]:
        """What was there before the operator at ``position`` and is still needed."""
        return [n for n, born in self.born.items() if born < position <= self.dies[n]]

    def slack(self, name: str) -> int:
        """Bytes by which a storage is smaller than what the arena's alignment makes of it."""
        return self.size[name] - self.prog.storages[name].bytes

    def layer_bytes(self, position: int) -> tuple[int, int]:
        """Aligned bytes that the operator at ``position`` needs when it runs as a whole, with all that lives around it,
        and the most of them that the topmost buffer may leave unused.
        """
        task = self.sites[position].task
        total = self.entry[position] + align(task.scratch)
        outs = [n for n in task.writes if self.born[n] == position]
        total += sum(self.size[n] for n in outs)
        pairs = {
            (above, below): lead
            for (above, below), lead in task.leads.items()
            if above != below and self.dies[above] == position and below in outs
        }
        if len(outs) == 1 and pairs:
            out = self.size[outs[0]]
            under = [(align(lead), self.size[above]) for (above, _), lead in pairs.items()]
            total -= out + sum(size for _, size in under) - extent(out, under)
        elif pairs:
            above = {a for a, _ in pairs}
            total -= min(sum(self.size[a] for a in above), sum(self.size[n] for n in outs))
        slack = [self.slack(n) for n in (*self.entering(position), *outs)]
        return total, max([*slack, align(task.scratch) - task.scratch])
