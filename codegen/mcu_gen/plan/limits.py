"""Whether a plan fits: limits of the board and of the user, and what an error says about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mcu_gen.errors import DoesNotFitError
from mcu_gen.graph import Graph
from mcu_gen.plan.types import Buffer, Plan
from mcu_gen.targets import Region, Target

#: Flash that weights in 16 bits leave to code: a network's functions took at most 40 KB so far, then the runtime.
CODE_RESERVE_BYTES = 48 * 1024

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


def layer_at(plan: Plan, step: int) -> str:
    """What runs at a step, in the user's words."""
    if step < 0:
        return "the inputs"
    return f"layer {plan.steps[step].node.name}" if step < len(plan.steps) else "the outputs"


def check_ram(plan: Plan, alternatives: Sequence[str] = ()) -> None:
    """Raises DoesNotFitError where a plan exceeds its board or ``max_ram``; ``alternatives`` are further hints."""
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
    enough = plan.max_ram is not None and (not regions or plan.ram_bytes <= regions[0].size)
    if plan.segments:
        does = f"--max-ram {plan.ram_bytes}" if enough else f"a board with {plan.ram_bytes:,} B in one RAM region"
        hints = [f"{does} gives a plan of {plan.ram_bytes:,} B at {plan.macs_overhead_pct:+.1f} % MACs"]
    elif enough:
        hints = [f"--max-ram {plan.ram_bytes} is enough for this plan"]
    else:
        hints = [f"take a board with at least {plan.ram_bytes:,} B in one RAM region (`mcu-gen boards` lists them)"]
    hints += alternatives
    hints.append(f"make the tensors around {layer_at(plan, step)} smaller: input resolution, or channels")
    need = "needs, fused as far as it goes," if plan.segments else "needs"
    raise DoesNotFitError(
        f"{need} {plan.ram_bytes:,} B of RAM (arena {plan.arena_bytes:,} B + stack {plan.stack_bytes:,} B), but {what} "
        f"has {limit:,} B ({plan.ram_bytes - limit:,} B too many); alive at the peak: {shown}{more}",
        where=layer_at(plan, step),
        hints=hints,
    )


def flash_region(graph: Graph, target: Target) -> Region | None:
    """Where the program of ``graph`` goes; None for a target without flash (made by hand in a test)."""
    if target.region_or_none("flash") is None:
        return None
    return target.program_flash(learns=graph.training is not None)


def flash_room(graph: Graph, target: Target, max_flash: int | None, least: int) -> int:
    """Bytes that expanded weights and tables may take: ``max_flash`` and the board, whose code needs room as well.

    Never fewer than ``least``, the bytes without expanded weights: what more code fits is known after linking.
    """
    region = flash_region(graph, target)
    limits = [] if max_flash is None else [max_flash]
    limits += [] if region is None else [region.size - CODE_RESERVE_BYTES]
    return max(least, min(limits, default=least))


def check_constants(graph: Graph, target: Target, needed: int, max_flash: int | None, smallest: str) -> None:
    """Raises DoesNotFitError where ``needed`` bytes of weights and tables exceed the board or ``max_flash``.

    ``smallest`` says how the weights are then kept, for the hint that names the limit that would do.
    """
    need = f"weights and tables need {needed:,} B of flash, but"
    region = flash_region(graph, target)
    if region is not None and needed > region.size:
        raise DoesNotFitError(
            f"{need} flash region {region.name} of {target.name} has {region.size:,} B "
            f"({needed - region.size:,} B too many)",
            hints=[
                f"take a board with more than {needed:,} B of flash (`mcu-gen boards` lists them)",
                "a float32 model becomes a quarter of its size with `mcu-gen quantize`",
            ],
        )
    if max_flash is not None and needed > max_flash:
        raise DoesNotFitError(
            f"{need} the limit --max-flash has {max_flash:,} B ({needed - max_flash:,} B too many)",
            hints=[f"--max-flash {needed} is the smallest limit, {smallest}", "code comes on top of it"],
        )


def check_flash(plan: Plan) -> None:
    """Raises DoesNotFitError where the constants of a plan exceed the flash of its board or ``max_flash``."""
    check_constants(
        plan.graph,
        plan.target,
        plan.constant_bytes,
        plan.max_flash,
        "every weight in 8 bits and fused to fit RAM",
    )
