"""From a graph and a target to a plan: kernels, order, offsets, and whether it fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mcu_gen.errors import DoesNotFitError
from mcu_gen.graph import Graph, Node
from mcu_gen.kernels.contract import Kernel
from mcu_gen.kernels.contract import select as cheapest
from mcu_gen.plan.arena import Placement, place, violations
from mcu_gen.plan.constants import constant_bytes
from mcu_gen.plan.liveness import Program, lifetimes, program, scratch_name
from mcu_gen.plan.order import best_order
from mcu_gen.plan.packing import Packing
from mcu_gen.plan.types import Buffer, Overlap, Plan, Step
from mcu_gen.targets import Target

Select = Callable[[Node, Target], Kernel]

#: Tensors that an error names.
_SHOWN = 6


def peak(buffers: Mapping[str, Buffer], offsets: Mapping[str, int]) -> tuple[int, int]:
    """The step at which the arena reaches highest (the first such) and the bytes in use up to there."""
    top = max(buffers.values(), key=lambda b: (offsets[b.name] + b.bytes, -b.first), default=None)
    if top is None:
        return 0, 0
    sums: dict[int, int] = {}
    for step in range(top.first, top.last + 1):
        sums[step] = sum(b.bytes for b in buffers.values() if b.first <= step <= b.last)
    return max(sums, key=lambda step: (sums[step], -step)), offsets[top.name] + top.bytes


def _pack(prog: Program) -> tuple[Sequence[int], dict[str, Buffer], list[Overlap], Placement]:
    """The better of the order with the smallest sum of live bytes and the order of the graph, after packing."""
    order = best_order(prog).tasks
    buffers, overlaps = lifetimes(prog, order)
    placement = place(list(buffers.values()), overlaps)
    own = tuple(range(len(prog.tasks)))
    if order != own:
        own_buffers, own_overlaps = lifetimes(prog, own)
        if Packing(own_buffers.values(), own_overlaps).lower_bound < placement.arena_bytes:
            own_placement = place(list(own_buffers.values()), own_overlaps)
            if own_placement.arena_bytes < placement.arena_bytes:
                return own, own_buffers, own_overlaps, own_placement
    return order, buffers, overlaps, placement


def make_plan(graph: Graph, target: Target, *, max_ram: int | None = None, select: Select = cheapest) -> Plan:
    """Plans ``graph`` for ``target``.

    Args:
        graph: after the passes.
        target: the board; ``stack_bytes`` of it are reserved in RAM besides the arena.
        max_ram: limit for arena and stack together, bytes; the RAM region of the target is the limit otherwise.
        select: chooses the kernel of a node.

    Raises:
        UnsupportedModelError: an operator has no kernel on the target.
        DoesNotFitError: RAM or constants exceed the board or ``max_ram``.
    """
    prog = program(graph, [select(node, target) for node in graph.nodes()], target)
    order, buffers, overlaps, placement = _pack(prog)
    broken = violations(buffers.values(), overlaps, placement.offsets)
    assert not broken, f"the planner placed buffers wrongly: {broken}"
    tasks = [prog.tasks[i] for i in order]
    steps = tuple(
        Step(i, task.node, task.kernel, scratch_name(task, prog.storages) if task.scratch else None)
        for i, task in enumerate(tasks)
    )
    plan = Plan(
        graph=graph,
        target=target,
        steps=steps,
        buffers=buffers,
        offsets=placement.offsets,
        aliases=prog.aliases,
        arena_bytes=placement.arena_bytes,
        stack_bytes=target.stack_bytes,
        constant_bytes=constant_bytes(graph, steps, target),
        max_ram=max_ram,
        lower_bound_bytes=placement.lower_bound,
        greedy_bytes=placement.greedy_bytes,
        optimal=placement.optimal,
    )
    _check_ram(plan)
    _check_flash(plan)
    return plan


def layer_at(plan: Plan, step: int) -> str:
    """What runs at a step, in the user's words."""
    if step < 0:
        return "the inputs"
    return f"layer {plan.steps[step].node.name}" if step < len(plan.steps) else "the outputs"


def _check_ram(plan: Plan) -> None:
    regions = [r for r in plan.target.regions if r.use == "ram"]
    limits = [(regions[0].size, f"RAM region {regions[0].name} of {plan.target.name}")] if regions else []
    if plan.max_ram is not None:
        limits.append((plan.max_ram, "the limit --max-ram"))
    if not limits:
        return
    limit, what = min(limits)
    if plan.ram_bytes <= limit:
        return
    step, _ = peak(plan.buffers, plan.offsets)
    alive = sorted((b for b in plan.buffers.values() if b.first <= step <= b.last), key=lambda b: (-b.bytes, b.name))
    shown = ", ".join(f"{b.name} {b.bytes:,} B" for b in alive[:_SHOWN])
    more = f" and {len(alive) - _SHOWN} more" if len(alive) > _SHOWN else ""
    hints = []
    if plan.max_ram is not None and (not regions or plan.ram_bytes <= regions[0].size):
        hints.append(f"--max-ram {plan.ram_bytes} is enough for this plan")
    else:
        hints.append(f"take a board with at least {plan.ram_bytes:,} B in one RAM region (`mcu-gen boards` lists them)")
    hints.append(f"make the tensors around {layer_at(plan, step)} smaller: input resolution, or channels")
    raise DoesNotFitError(
        f"needs {plan.ram_bytes:,} B of RAM (arena {plan.arena_bytes:,} B + stack {plan.stack_bytes:,} B), but {what} "
        f"has {limit:,} B ({plan.ram_bytes - limit:,} B too many); alive at the peak: {shown}{more}",
        where=layer_at(plan, step),
        hints=hints,
    )


def _check_flash(plan: Plan) -> None:
    region = next((r for r in plan.target.regions if r.use == "flash"), None)
    if region is None or plan.constant_bytes <= region.size:
        return
    raise DoesNotFitError(
        f"weights and tables need {plan.constant_bytes:,} B of flash, but flash region {region.name} of "
        f"{plan.target.name} has {region.size:,} B ({plan.constant_bytes - region.size:,} B too many)",
        hints=[
            f"take a board with more than {plan.constant_bytes:,} B of flash (`mcu-gen boards` lists them)",
            "a float32 model becomes a quarter of its size with `mcu-gen quantize`",
        ],
    )
