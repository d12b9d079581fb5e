"""What a plan is: steps in order, buffers with offsets, and the totals that the linker will confirm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mcu_gen.graph import Graph, Node
from mcu_gen.kernels.contract import Kernel
from mcu_gen.targets import Target

#: Alignment of every buffer in the arena, bytes (an MVE or RVV register; also what a double needs).
ALIGN = 16


@dataclass(frozen=True)
class Buffer:
    """A range of the arena that is in use from step ``first`` to step ``last`` (both included).

    Graph inputs are in use from -1 (the caller writes them before the first step), graph outputs to the number
    of steps (the caller reads them after the last).  Variables are in use throughout.
    """

    name: str
    bytes: int
    first: int
    last: int
    kind: str = "tensor"  # tensor | input | output | variable | scratch


@dataclass(frozen=True)
class Overlap:
    """``below`` may overlap ``above`` when it starts at least ``lead`` bytes lower."""

    above: str  # the kernel's input
    below: str  # the kernel's output
    lead: int


@dataclass(frozen=True)
class Step:
    """One kernel call.  Operators whose output shares the storage of their input have no step."""

    index: int
    node: Node
    kernel: Kernel
    scratch: str | None  # name of its scratch buffer


@dataclass(frozen=True)
class Plan:
    """The memory and execution plan of a graph on a target."""

    graph: Graph
    target: Target
    steps: tuple[Step, ...]
    buffers: Mapping[str, Buffer]
    offsets: Mapping[str, int]
    #: tensors that share the storage of another one byte for byte (reshape): alias -> buffer name (no step)
    aliases: Mapping[str, str]
    arena_bytes: int
    stack_bytes: int
    constant_bytes: int
    max_ram: int | None = None
    #: no packing of these buffers is smaller (sum of live bytes at the worst step, overlaps counted)
    lower_bound_bytes: int = 0
    #: the arena of greedy by size without overlaps, what common planners give
    greedy_bytes: int = 0
    #: the packing is proven to be the smallest for this order
    optimal: bool = False
    notes: tuple[str, ...] = field(default=())

    def offset(self, tensor: str) -> int:
        """Arena offset of a tensor or scratch buffer, in bytes."""
        return self.offsets[self.aliases.get(tensor, tensor)]

    @property
    def ram_bytes(self) -> int:
        """Everything the linker places in RAM: arena and reserved stack (network and runtime own nothing else)."""
        return self.arena_bytes + self.stack_bytes
