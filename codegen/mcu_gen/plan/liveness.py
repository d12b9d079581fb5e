"""Which bytes live when: the storage of a graph, its kernel calls, and the lifetimes under an operator order."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mcu_gen.errors import ModelFileError
from mcu_gen.graph import Graph, Node, Tensor
from mcu_gen.kernels.contract import Kernel
from mcu_gen.plan.types import ALIGN, Buffer, Overlap
from mcu_gen.targets import Target


def align(size: int) -> int:
    """``size`` rounded up to the alignment of the arena's buffers."""
    return -(-size // ALIGN) * ALIGN


def extent(out: int, inputs: Sequence[tuple[int, int]]) -> int:
    """Least bytes that an output and the inputs ``(lead, bytes)`` occupy when the output may lie under each of them.

    The inputs are disjoint jobs with release dates (their leads) on one machine, for which the earliest
    release date first is optimal (Jackson 1955).  A lead beyond the output's end binds no further than its end.
    """
    end = 0
    for lead, size in sorted((min(lead, out), size) for lead, size in inputs):
        end = max(end, lead) + size
    return max(end, out)


@dataclass(frozen=True)
class Storage:
    """Bytes in the arena that hold a tensor, together with the tensors that are the same bytes (reshaped)."""

    name: str
    bytes: int
    kind: str  # tensor | input | output | variable
    is_input: bool
    is_output: bool

    @property
    def is_variable(self) -> bool:
        return self.kind == "variable"


@dataclass(frozen=True)
class Task:
    """One kernel call, with the storages that it reads and writes (each named once)."""

    node: Node
    kernel: Kernel
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    scratch: int
    #: (input storage, output storage) -> bytes by which the output must start below the input
    leads: Mapping[tuple[str, str], int]
    stateful: bool


@dataclass(frozen=True)
class Program:
    """What has to be ordered and packed.  ``tasks`` are in the order of the graph."""

    storages: Mapping[str, Storage]
    tasks: tuple[Task, ...]
    aliases: Mapping[str, str]
    #: tasks of the inference: all of them, or those that come before the rest of a training step
    inference: int


def _in_arena(tensor: Tensor) -> bool:
    return tensor.variable or not tensor.is_constant


def _aliases(nodes: Sequence[tuple[Node, Kernel]]) -> dict[str, str]:
    """Tensor -> the tensor whose storage it shares, for the outputs of the kernels that would only copy.

    A variable is never shared: what was read from it must not change when the variable does.
    """
    aliases: dict[str, str] = {}
    for node, kernel in nodes:
        if not kernel.alias:
            continue
        x, y = node.x, node.y
        if not x.is_constant and not x.variable and not y.variable and x.bytes == y.bytes:
            aliases[y.name] = aliases.get(x.name, x.name)
    return aliases


def _leads(
    node: Node, overlap: Mapping[tuple[int, int], int], storage: Sequence[str | None]
) -> dict[tuple[str, str], int]:
    """Overlaps between storages: all the inputs that are the same storage must allow it, the largest lead counts."""
    leads: dict[tuple[str, str], int] = {}
    for o, y in enumerate(node.outputs):
        for name in {s for s in storage if s is not None}:
            indices = [i for i, s in enumerate(storage) if s == name]
            if all((i, o) in overlap for i in indices):
                leads[name, y.name] = max(0, *(overlap[i, o] for i in indices))
    return leads


def program(graph: Graph, kernels: Sequence[Kernel], target: Target) -> Program:
    """Storages and kernel calls of ``graph``, whose operator ``i`` is served by ``kernels[i]``.

    Raises:
        ModelFileError: an operator reads a tensor that nothing has computed before.
    """
    nodes = list(zip(graph.nodes(), kernels, strict=True))
    aliases = _aliases(nodes)
    known = {n for n, t in graph.tensors.items() if t.variable or t.is_constant} | set(graph.inputs)
    tasks: list[Task] = []
    for node, kernel in nodes:
        for t in node.inputs:
            if t is not None and t.name not in known:
                raise ModelFileError(
                    f"reads tensor {t.name} before anything has computed it", where=f"layer {node.name}"
                )
        known.update(node.op.outputs)
        if node.y.name in aliases:
            continue
        held = [aliases.get(t.name, t.name) if t is not None and _in_arena(t) else None for t in node.inputs]
        tensors = [t for t in (*node.inputs, *node.outputs) if t is not None]
        tasks.append(
            Task(
                node=node,
                kernel=kernel,
                reads=tuple(dict.fromkeys(s for s in held if s is not None)),
                writes=node.op.outputs,
                scratch=kernel.scratch(node, target),
                leads=_leads(node, kernel.overlap(node, target), held),
                stateful=any(t.variable for t in tensors),
            )
        )
    for name in graph.outputs:
        if name not in known:
            raise ModelFileError("nothing computes this output", where=f"tensor {name}")
    names = [task.node.name for task in tasks]
    inference = len(tasks) if graph.training is None else names.index(graph.training.first)
    return Program(_storages(graph, tasks, aliases), tuple(tasks), aliases, inference)


def served_by(task: Task, kernel: Kernel, aliases: Mapping[str, str], target: Target) -> Task:
    """``task`` with another kernel."""
    node = task.node
    held = [aliases.get(t.name, t.name) if t is not None and _in_arena(t) else None for t in node.inputs]
    leads = _leads(node, kernel.overlap(node, target), held)
    return dataclasses.replace(task, kernel=kernel, scratch=kernel.scratch(node, target), leads=leads)


def _storages(graph: Graph, tasks: Sequence[Task], aliases: Mapping[str, str]) -> dict[str, Storage]:
    """Every storage that somebody needs: interface, variables, and what the tasks read and write."""
    inputs = {aliases.get(n, n) for n in graph.inputs}
    outputs = {aliases.get(n, n) for n in graph.outputs}
    names = [*graph.inputs, *(n for t in tasks for n in (*t.reads, *t.writes)), *graph.outputs]
    names += [t.name for t in graph.variables()]
    storages: dict[str, Storage] = {}
    for name in dict.fromkeys(aliases.get(n, n) for n in names):
        tensor = graph.tensors[name]
        if not _in_arena(tensor):
            continue
        kinds = (
            ("variable", tensor.variable),
            ("input", name in inputs),
            ("output", name in outputs),
            ("tensor", True),
        )
        kind = next(kind for kind, holds in kinds if holds)
        storages[name] = Storage(name, tensor.bytes, kind, name in inputs, name in outputs)
    return storages


def scratch_name(task: Task, taken: Mapping[str, Storage]) -> str:
    """Name of the scratch buffer of a task; no tensor has it."""
    name = f"{task.node.name}.scratch"
    while name in taken:
        name += "_"
    return name


def lifetimes(prog: Program, order: Sequence[int]) -> tuple[dict[str, Buffer], list[Overlap]]:
    """Buffers with first and last step when the tasks run in ``order``, and the overlaps that are legal then.

    An output may overlap an input only when that step is the input's last use and the output's first.
    """
    steps = len(order)
    first = {n: -1 if s.is_input or s.is_variable else steps for n, s in prog.storages.items()}
    last = {n: steps if s.is_output or s.is_variable else -1 for n, s in prog.storages.items()}
    for step, index in enumerate(order):
        task = prog.tasks[index]
        for name in task.writes:
            first[name] = min(first[name], step)
        for name in (*task.reads, *task.writes):
            last[name] = max(last[name], step)
    buffers = {n: Buffer(n, s.bytes, first[n], last[n], s.kind) for n, s in prog.storages.items()}
    overlaps: list[Overlap] = []
    for step, index in enumerate(order):
        task = prog.tasks[index]
        for (above, below), lead in task.leads.items():
            if last[above] == step and first[below] == step and above != below:
                overlaps.append(Overlap(above, below, lead))
        if task.scratch:
            name = scratch_name(task, prog.storages)
            buffers[name] = Buffer(name, task.scratch, step, step, "scratch")
    return buffers, overlaps
