"""What a plan is: steps in order, buffers with offsets, and the totals that the linker will confirm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mcu_gen.graph import Graph, Node, operator
from mcu_gen.kernels.contract import Kernel
from mcu_gen.targets import Target

#: Alignment of every buffer in the arena, bytes (an MVE or RVV register; also what a double needs).
ALIGN = 16


@dataclass(frozen=True)
class Buffer:
    """A range of the arena that is in use from step ``first`` to step ``last`` (both included).

    Graph inputs are in use from -1 (the caller writes them before the first step), graph outputs to the number
    of steps (the caller reads them after the last).  Variables are in use throughout.  Inside a segment ``patch`` and
    ``halo`` buffers hold parts of tensors (see :class:`TileTensor`).
    """

    name: str
    bytes: int
    first: int
    last: int
    kind: str = "tensor"  # tensor | input | output | variable | scratch | patch | halo | state


@dataclass(frozen=True)
class Overlap:
    """``below`` may overlap ``above`` when it starts at least ``lead`` bytes lower.

    ``above`` dies in the step in which ``below`` comes to life, unless both live through the steps of a segment.
    """

    above: str  # the kernel's input
    below: str  # the kernel's output
    lead: int
    segment: bool = False


@dataclass(frozen=True)
class Step:
    """One kernel call.  Operators whose output shares the storage of their input have no step."""

    index: int
    node: Node
    kernel: Kernel
    scratch: str | None  # name of its scratch buffer


@dataclass(frozen=True)
class TileTensor:
    """An activation tensor that a segment touches: which part of it is in memory while a tile is computed.

    ``y`` has an entry per vertical step, ``x`` one per horizontal step, both half-open ranges [lo, hi); (r, r) is
    empty.  The patch of a tensor holds the rows ``y[i]`` and columns ``x[j]``, row after row without gaps.
    """

    name: str
    #: lies whole in the arena: ``y`` and ``x`` are what is written (segment outputs) or read (segment inputs) in a step
    whole: bool
    y: tuple[tuple[int, int], ...]
    x: tuple[tuple[int, int], ...]
    #: rows shared with the next vertical step are kept, not computed again
    keep: bool
    patch_bytes: int
    #: 0: no rows are shared, or the tensor is resident
    halo_bytes: int
    #: the patch lives through the whole segment and kept rows are moved to its front in place (``x`` is the full width)
    resident: bool = False
    #: columns shared with the next horizontal step are kept beside the patch, not computed again
    keep_x: bool = False
    #: bytes of the buffer that keeps them (``NAME.side``)
    side_bytes: int = 0

    def fresh(self, i: int) -> tuple[int, int]:
        """Rows that vertical step ``i`` computes: [lo, hi), empty where lo == hi."""
        lo, hi = self.y[i]
        if self.keep and i > 0:
            lo = max(lo, self.y[i - 1][1])
        return (min(lo, hi), hi)

    def fresh_columns(self, j: int) -> tuple[int, int]:
        """Columns that horizontal step ``j`` computes: [lo, hi), empty where lo == hi."""
        lo, hi = self.x[j]
        if self.keep_x and j > 0:
            lo = max(lo, self.x[j - 1][1])
        return (min(lo, hi), hi)

    def kept(self, i: int) -> tuple[int, int]:
        """Rows in the patch of step ``i`` that step ``i + 1`` uses again: [lo, hi)."""
        hi = self.y[i][1]
        if not self.keep or i + 1 == len(self.y):
            return (hi, hi)
        return (min(max(self.y[i + 1][0], self.y[i][0]), hi), hi)


@dataclass(frozen=True)
class Segment:
    """Steps ``first`` to ``last`` of a plan, executed tile by tile.

    For every vertical step and in it every horizontal step, the operators run one after the other on the rows
    ``fresh(i)`` and columns ``x[j]`` of their outputs.  In steps in which ``fresh(i)`` is empty an operator does not
    run (the lines above it fill up, or the ones below drain).
    """

    first: int
    last: int
    #: rows and columns per tile of the segment's output, or of the map that its last operator reduces to one pixel (the
    #: bounds of that output are then those of the map)
    tile_h: int
    tile_w: int
    #: vertical and horizontal steps
    n_y: int
    n_x: int
    #: rows that tiles share vertically are kept (True) or computed again (False)
    keep_rows: bool
    #: the graph input whose rows the caller pushes
    streamed: str | None
    tensors: Mapping[str, TileTensor]
    #: multiply-accumulates of the segment, with what is computed more than once
    macs: int
    extra_macs: int = 0
    #: bytes copied to and from line buffers
    copied_bytes: int = 0


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
    #: limit for ``constant_bytes`` within which weights are expanded
    max_flash: int | None = None
    #: no packing of these buffers is smaller (sum of live bytes at the worst step, overlaps counted)
    lower_bound_bytes: int = 0
    #: the arena of greedy by size without overlaps, what common planners give
    greedy_bytes: int = 0
    #: the packing is proven to be the smallest for this order
    optimal: bool = False
    notes: tuple[str, ...] = field(default=())
    #: stretches of steps that run tile by tile, in order; steps in none of them run layer by layer
    segments: tuple[Segment, ...] = ()
    #: layers that compute again what others have computed before (by name -> the name of the other one)
    repeats: Mapping[str, str] = field(default_factory=dict)

    def offset(self, tensor: str) -> int:
        """Arena offset of a tensor or scratch buffer, in bytes."""
        return self.offsets[self.aliases.get(tensor, tensor)]

    @property
    def inference_steps(self) -> int:
        """Steps of an inference: all of them, or those before the rest of a training step."""
        training = self.graph.training
        if training is None:
            return len(self.steps)
        return next(s.index for s in self.steps if s.node.name == training.first)

    @property
    def base_macs(self) -> int:
        """Multiply-accumulates of one inference when nothing is computed twice."""
        return self._macs(s for s in self.steps if s.node.name not in self.repeats)

    @staticmethod
    def _macs(steps: Iterable[Step]) -> int:
        return sum(operator(s.node.type).macs(s.node) for s in steps)

    @property
    def extra_macs(self) -> int:
        """Multiply-accumulates beyond what running layer by layer takes: in segments, and of layers that run twice."""
        again = self._macs(s for s in self.steps if s.node.name in self.repeats)
        return sum(s.extra_macs for s in self.segments) + again

    @property
    def macs_overhead_pct(self) -> float:
        """Extra multiply-accumulates in percent of those of the network."""
        return 100.0 * self.extra_macs / self.base_macs if self.extra_macs else 0.0

    @property
    def streamed(self) -> str | None:
        """The graph input whose rows the caller pushes, or None."""
        return next((s.streamed for s in self.segments if s.streamed is not None), None)

    @property
    def ram_bytes(self) -> int:
        """Everything the linker places in RAM: arena and reserved stack (network and runtime own nothing else)."""
        return self.arena_bytes + self.stack_bytes
