"""``mcu-gen plan``: the memory and execution plan."""

from __future__ import annotations

from typing import Any

from rich.markup import escape

from mcu_gen import api
from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.options import Board, MaxRam, Model, NoFuse
from mcu_gen.cli.output import Output
from mcu_gen.cli.tables import count, facts, layer_name, name_width, plain_table, used_of
from mcu_gen.plan.describe import plan_data
from mcu_gen.targets import Target

#: Characters of the bars, and the width of a terminal from which on they are drawn.
_BAR, _WIDE = 16, 100


def print_plan(out: Output, data: dict[str, Any], target: Target) -> None:
    """The plan for people: steps, then totals."""
    columns = ("#", "layer", "kernel", "MACs", "scratch", "live bytes")
    table = plain_table(*columns, right=("#", "MACs", "scratch", "live bytes"))
    bars = _BAR if out.out.width >= _WIDE else 0
    if bars:
        table.add_column("")
    width = name_width(out.out, 64 + bars)
    peak = max((s["live_bytes"] for s in data["steps"]), default=1) or 1
    for step in data["steps"]:
        bar = "█" * max(1, round(bars * step["live_bytes"] / peak)) if bars else ""
        table.add_row(
            str(step["index"]), layer_name(step["layer"], width), step["kernel"], count(step["macs"]),
            count(step["scratch_bytes"]), f"{step['live_bytes']:,}", *([f"[blue]{bar}[/blue]"] if bars else []),
        )  # fmt: skip
    out.out.print(table)
    limit = data["max_ram"] or target.ram_bytes
    proof = (
        "no smaller one exists for this order" if data["optimal"] else f"lower bound {data['lower_bound_bytes']:,} B"
    )
    out.out.print()
    rows = [
        ("board", f"{escape(target.name)}, {escape(target.title)}"),
        ("arena", f"[bold]{data['arena_bytes']:,} B[/bold] ({proof})"),
        ("peak", f"{data['peak']['bytes']:,} B at {layer_name(data['peak']['layer'])}"),
        ("RAM", used_of(data["ram_bytes"], limit) + f": arena and {data['stack_bytes']:,} B of stack"),
        ("flash", used_of(data["flash_bytes"], target.flash_bytes) + " for weights and tables"),
        ("MACs", f"{data['macs']:,}"),
    ]
    if data["fusion"]:
        rows.append(("fused", f"{len(data['fusion'])} segments, {data['macs_overhead_pct']:.1f} % more MACs"))
    out.out.print(facts(rows))
    if any(step["live_bytes"] > data["arena_bytes"] for step in data["steps"]):
        text = "layers that work in place share memory, so the arena is smaller than the sum of live bytes"
        out.out.print(f"[dim]note:[/dim] {text}")
    for note in data["notes"]:
        out.out.print(f"[dim]note:[/dim] {escape(note)}")


@verb("plan", "From a model to firmware")
def plan(
    out: Output, model: Model, board: Board, max_ram: MaxRam = None, no_fuse: NoFuse = False
) -> tuple[dict[str, Any], Render]:
    """The memory and execution plan: operator order, kernels, arena offsets, totals."""
    with out.phase("planning"):
        graph = api.load(model)
        made = api.plan(graph, board, max_ram=max_ram, fuse=not no_fuse)
    for warning in graph.warnings:
        out.warn(warning)
    data = plan_data(made)
    return data, lambda: print_plan(out, data, made.target)
