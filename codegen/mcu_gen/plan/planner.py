"""From a graph and a target to a plan: kernels, order, offsets, and whether it fits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from mcu_gen.errors import DoesNotFitError, UnsupportedModelError, UsageError
from mcu_gen.graph import Graph, Node
from mcu_gen.kernels.contract import Kernel
from mcu_gen.kernels.contract import select as cheapest
from mcu_gen.plan.assemble import Layout, assemble
from mcu_gen.plan.choose import INPUT_MODES, Chooser
from mcu_gen.plan.constants import constant_bytes
from mcu_gen.plan.expand import expand, smallest_bytes
from mcu_gen.plan.flatten import flatten
from mcu_gen.plan.fusion import why_not_streamed
from mcu_gen.plan.limits import check_constants, check_flash, check_ram, flash_room
from mcu_gen.plan.liveness import Program, lifetimes, program
from mcu_gen.plan.order import best_order
from mcu_gen.plan.packing import Packing
from mcu_gen.plan.run_twice import variants
from mcu_gen.plan.stretch import Stretch
from mcu_gen.plan.types import Plan
from mcu_gen.targets import Target

Select = Callable[[Node, Target], Kernel]

#: Searches for a plan within ``max_flash``, the last one with all weights in 8 bits.
_FLASH_TRIES = 4


def _pack(prog: Program, graph: Graph, target: Target) -> tuple[Sequence[int], Layout]:
    """The better of the order with the smallest sum of live bytes and the order of the graph, layer by layer, packed.

    The first result is the order with the smallest sum, the second may follow either.
    """
    order = best_order(prog).tasks
    best = assemble(Stretch(graph, prog, target, order), ())
    own = tuple(range(len(prog.tasks)))
    if order != own:
        own_buffers, own_overlaps = lifetimes(prog, own)
        if Packing(own_buffers.values(), own_overlaps).lower_bound < best.placement.arena_bytes:
            other = assemble(Stretch(graph, prog, target, own), ())
            if other.placement.arena_bytes < best.placement.arena_bytes:
                best = other
    return order, best


def make_plan(
    graph: Graph,
    target: Target,
    *,
    max_ram: int | None = None,
    max_mac_overhead: float | None = None,
    fuse: bool = True,
    input_mode: str = "auto",
    max_flash: int | None = None,
    select: Select = cheapest,
) -> Plan:
    """Plans ``graph`` for ``target``.

    Without limits, and wherever it fits ``max_ram``, everything runs layer by layer.  Otherwise stretches of operators
    run tile by tile: with ``max_ram`` the plan with the fewest extra multiply-accumulates that fits is taken, with
    ``max_mac_overhead`` alone the one that needs the least RAM.

    Args:
        graph: after the passes.
        target: the board; ``stack_bytes`` of it are reserved in RAM besides the arena.
        max_ram: limit for arena and stack together, bytes; the RAM region of the target is the limit otherwise.
        max_mac_overhead: limit for multiply-accumulates that are done more than once, percent of the network's.
        fuse: whether segments are allowed.
        input_mode: ``keep`` holds the whole input in RAM (or its quantized form, where the model quantizes it), with
            ``rows`` the caller pushes it row by row, ``auto`` keeps it where that fits.
        max_flash: limit for weights and tables, bytes.  Layers keep their weights as int16 where a kernel is faster
            with them, those first that save the most instructions, as long as the board has
            ``CODE_RESERVE_BYTES`` left for code; without a limit all weights keep their 8 bits.
        select: chooses the kernel of a node (not together with ``max_flash``).

    Raises:
        UsageError: ``select`` together with ``max_flash``, or rows as the input without fusing.
        UnsupportedModelError: an operator has no kernel on the target, or the input cannot be streamed.
        DoesNotFitError: RAM or constants exceed the board, ``max_ram`` or ``max_flash``; names the smallest that does.
    """
    graph = flatten(graph)

    def search(choice: Select) -> Plan:
        made = _search(graph, target, max_ram, max_mac_overhead, fuse, input_mode, choice)
        return dataclasses.replace(made, max_flash=max_flash)

    if max_flash is None:
        made = search(select)
        check_flash(made)
        return made
    least = _least_flash(graph, target, max_flash, select)
    return _within_flash(search, graph, target, max_flash, least)


def _least_flash(graph: Graph, target: Target, max_flash: int, select: Select) -> int:
    """Bytes of weights and tables where all weights keep their 8 bits, if that is within the limits."""
    if select is not cheapest:
        raise UsageError("the kernels are chosen by the limit of flash or by a function, not both", where="max_flash")
    least = smallest_bytes(graph, target)
    check_constants(graph, target, least, max_flash, "every weight in 8 bits")
    return least


def _within_flash(search: Callable[[Select], Plan], graph: Graph, target: Target, max_flash: int, least: int) -> Plan:
    """The plan of the most expanded weights that keeps to the limit with what fused segments change in the tables."""
    room = limit = flash_room(graph, target, max_flash, least)
    made = search(expand(graph, target, limit))
    for left in reversed(range(_FLASH_TRIES - 1)):
        excess = made.constant_bytes - room
        if excess <= 0 or limit == least:
            break
        limit = max(least, limit - excess) if left else least
        made = search(expand(graph, target, limit))
    check_flash(made)
    return made


def _search(
    graph: Graph, target: Target, max_ram: int | None, max_mac_overhead: float | None, fuse: bool, input_mode: str,
    select: Select,
) -> Plan:  # fmt: skip
    """:func:`make_plan` for a choice of kernels; flash is not checked."""
    modes = INPUT_MODES[input_mode] if fuse else INPUT_MODES["keep"]
    prog = program(graph, [select(node, target) for node in graph.nodes()], target)
    order, layers = _pack(prog, graph, target)
    if input_mode == "rows" and not fuse:
        raise UsageError("the input can only be streamed in where operators are fused", hints=["leave --no-fuse out"])
    limit = _limit(target, max_ram)

    def plan(layout: Layout) -> Plan:
        return _plan(layout.stretch.graph, target, layout.stretch.prog, layout, max_ram)

    whole = plan(layers)
    if not fuse or (input_mode != "rows" and max_mac_overhead is None and _fits(whole, limit)):
        return _checked(whole)
    allowed = [kind for kinds in modes for kind in kinds]
    chooser = _chooser(graph, target, prog, order, select, allowed)
    if input_mode == "rows" and not any(e.of_kind("rows") for e in chooser.edges()):
        raise UnsupportedModelError(
            "the input cannot be streamed in row by row", where=f"input {graph.inputs[0]}" if graph.inputs else None,
            reasons=why_not_streamed(chooser.stretches[0]), hints=["hold it in memory with --input keep"],
        )  # fmt: skip
    if max_mac_overhead is not None and max_ram is None:
        chooser.widen()
        layout = chooser.least_ram(allowed, round(max_mac_overhead * whole.base_macs / 100))
        return _checked(plan(layout) if layout is not None else whole)
    arena = (limit if limit is not None else whole.ram_bytes) - target.stack_bytes
    found = _first_fitting(chooser, modes, arena, max_mac_overhead, whole)
    if found is not None:
        layout, within, note = found
        if within is not None:
            raise _too_slow(plan(layout), max_mac_overhead, chooser.least_ram(allowed, within), target)
        made = plan(layout)
        return _checked(dataclasses.replace(made, notes=(*made.notes, *note)))
    chooser.widen()
    smallest = chooser.least_ram(allowed)
    streamed = chooser.least_ram(("rows",)) if input_mode == "keep" else None
    hints = []
    if streamed is not None and (smallest is None or streamed.placement.arena_bytes < smallest.placement.arena_bytes):
        other = plan(streamed)
        hints.append(f"--input rows needs {other.ram_bytes:,} B at {other.macs_overhead_pct:+.1f} % MACs")
    check_ram(plan(smallest) if smallest is not None else whole, hints)
    raise AssertionError("a plan that fits was not found")


def _first_fitting(
    chooser: Chooser, modes: Sequence[Sequence[str]], arena: int, max_mac_overhead: float | None, whole: Plan
) -> tuple[Layout, int | None, list[str]] | None:
    """The plan of the first input mode that keeps to both limits, and a note where a later mode costs less.

    Where none keeps to the limit of arithmetic, the plan with the fewest extra multiply-accumulates, and that limit.
    """
    if arena <= 0:
        return None
    within = float("inf") if max_mac_overhead is None else round(max_mac_overhead * whole.base_macs / 100)
    slow: list[Layout] = []
    for kinds in modes:
        layout = chooser.fewest_macs(kinds, arena)
        if (layout is None or layout.extra_macs > 0) and chooser.widen():
            layout = chooser.fewest_macs(kinds, arena)
        if layout is None or layout.extra_macs > within:
            slow += [] if layout is None else [layout]
            continue
        rows = ("rows",) in modes and kinds != ("rows",) and layout.extra_macs > 0
        other = chooser.fewest_macs(("rows",), arena) if rows else None
        note = []
        if other is not None and other.extra_macs < layout.extra_macs:
            kept, pushed = (100 * found.extra_macs / whole.base_macs for found in (layout, other))
            note = [f"the input is kept at {kept:+.1f} % MACs; --input rows takes {pushed:+.1f} %"]
        return layout, None, note
    return (min(slow, key=lambda found: found.extra_macs), int(within), []) if slow else None


def pareto(
    graph: Graph,
    target: Target,
    *,
    fuse: bool = True,
    input_mode: str = "auto",
    copies: bool = False,
    max_flash: int | None = None,
    select: Select = cheapest,
) -> list[Plan]:
    """Plans of which none is better in RAM and in multiply-accumulates, the fewest multiply-accumulates first.

    The first one runs layer by layer, whether or not another one needs less RAM at the same cost (not with the input
    mode ``rows``).  With ``copies`` there are also plans that need more RAM and copy fewer bytes.  The arguments are
    those of :func:`make_plan`; plans that are too large for the board are included, those with more constants than
    ``max_flash`` are not.

    Raises:
        UsageError: ``select`` together with ``max_flash``.
        DoesNotFitError: weights of 8 bits alone exceed ``max_flash``.
    """
    found = fronts(graph, target, [input_mode], fuse=fuse, copies=copies, max_flash=max_flash, select=select)
    return found[0]


def fronts(
    graph: Graph,
    target: Target,
    input_modes: Sequence[str],
    *,
    fuse: bool = True,
    copies: bool = False,
    max_flash: int | None = None,
    select: Select = cheapest,
) -> list[list[Plan]]:
    """:func:`pareto` for several input modes, in one search."""
    graph = flatten(graph)
    if max_flash is not None:
        least = _least_flash(graph, target, max_flash, select)
        select = expand(graph, target, flash_room(graph, target, max_flash, least))
    prog = program(graph, [select(node, target) for node in graph.nodes()], target)
    order, layers = _pack(prog, graph, target)
    kinds = list(dict.fromkeys(kind for mode in input_modes for kinds in INPUT_MODES[mode] for kind in kinds))
    chooser = _chooser(graph, target, prog, order, select, kinds) if fuse else None
    if chooser is not None:
        chooser.widen()

    def front(input_mode: str) -> list[Plan]:
        layouts = [layers] if input_mode != "rows" or chooser is None else []
        if chooser is not None:
            layouts += chooser.pareto([kind for kinds in INPUT_MODES[input_mode] for kind in kinds], copies)
        plans: list[Plan] = []
        for layout in layouts:
            if plans and layout.placement.arena_bytes >= plans[-1].arena_bytes:
                continue
            made = _plan(layout.stretch.graph, target, layout.stretch.prog, layout, None)
            if max_flash is None or made.constant_bytes <= max_flash:
                plans.append(dataclasses.replace(made, max_flash=max_flash))
        return plans

    return [front(mode) for mode in input_modes]


def _chooser(
    graph: Graph, target: Target, prog: Program, order: Sequence[int], select: Select, kinds: Sequence[str]
) -> Chooser:
    """The plans of a graph in its own order and in ``order``; widened, also of the graphs that run operators twice."""

    def prepare(changed: Graph, repeats: Mapping[str, str]) -> Stretch:
        of = program(changed, [select(node, target) for node in changed.nodes()], target)
        return Stretch(changed, of, target, range(len(of.tasks)), repeats)

    own = tuple(range(len(prog.tasks)))
    stretches = [Stretch(graph, prog, target, o) for o in dict.fromkeys((own, tuple(order)))]
    return Chooser(stretches, lambda edges: variants(edges, kinds, prepare))


def _plan(graph: Graph, target: Target, prog: Program, layout: Layout, max_ram: int | None) -> Plan:
    return Plan(
        graph=graph,
        target=target,
        steps=layout.steps,
        buffers=layout.buffers,
        offsets=layout.placement.offsets,
        aliases=prog.aliases,
        arena_bytes=layout.placement.arena_bytes,
        stack_bytes=target.stack_bytes,
        constant_bytes=constant_bytes(graph, [(s.node, s.kernel) for s in layout.steps], target),
        max_ram=max_ram,
        lower_bound_bytes=layout.placement.lower_bound,
        greedy_bytes=layout.placement.greedy_bytes,
        optimal=layout.placement.optimal,
        segments=layout.segments,
        repeats=layout.stretch.repeats,
        notes=_notes(layout.stretch),
    )


def _notes(stretch: Stretch) -> tuple[str, ...]:
    notes = () if stretch.graph.training is None else stretch.graph.training.notes
    if not stretch.repeats:
        return notes
    twice = ", ".join(dict.fromkeys(stretch.repeats.values()))
    return (*notes, f"layers that run again, so that their map need not wait for a statistic of it: {twice}")


def _limit(target: Target, max_ram: int | None) -> int | None:
    """Bytes that arena and stack may take."""
    limits = [r.size for r in target.regions if r.use == "ram"][:1] + ([] if max_ram is None else [max_ram])
    return min(limits, default=None)


def _fits(plan: Plan, limit: int | None) -> bool:
    return limit is None or plan.ram_bytes <= limit


def _checked(plan: Plan) -> Plan:
    """``plan``, if it fits RAM."""
    check_ram(plan)
    return plan


def _too_slow(plan: Plan, most: float | None, least: Layout | None, target: Target) -> DoesNotFitError:
    """The error that says that RAM and multiply-accumulates cannot both be kept to; ``least`` keeps to the latter."""
    hints = [f"--max-mac-overhead {plan.macs_overhead_pct:.2f} allows this plan"]
    if least is not None:
        need = least.placement.arena_bytes + target.stack_bytes
        hints.insert(0, f"--max-ram {need} gives a plan of {need:,} B within --max-mac-overhead {most:g}")
    return DoesNotFitError(
        f"in {plan.max_ram} B of RAM the plan with the fewest extra multiply-accumulates takes "
        f"{plan.macs_overhead_pct:+.2f} % MACs, more than --max-mac-overhead {most:g}",
        hints=hints,
    )
