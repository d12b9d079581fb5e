"""``mcu-gen plan``: the memory and execution plan."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from mcu_gen import api
from mcu_gen.api import PlanOptions
from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.options import (
    Board,
    Input,
    InputMode,
    MaxFlash,
    MaxMacOverhead,
    MaxRam,
    Model,
    NoFuse,
    Pareto,
    Train,
    plan_options,
)
from mcu_gen.cli.output import Output
from mcu_gen.cli.tables import (
    INPUT_TEXT,
    count,
    estimate_text,
    facts,
    front_table,
    fused_text,
    layer_name,
    name_width,
    part_text,
    phase_text,
    plain_table,
    training_rows,
    used_of,
)
from mcu_gen.graph import Graph
from mcu_gen.targets import Target

#: Characters of the bars.
_BAR = 16


def print_plan(out: Output, data: dict[str, Any], target: Target) -> None:
    """The plan for people: steps, then totals."""
    brackets = bracket_column(data)
    learns = data["training"] is not None
    columns = ("#", *([""] if brackets else []), "layer", *(["for"] if learns else []), "kernel", "MACs", "scratch")
    table = plain_table(*columns, "live bytes", right=("#", "MACs", "scratch", "live bytes"))
    room = 80 if learns else 64
    bars = _BAR if out.out.width >= room + _BAR + 20 else 0
    if bars:
        table.add_column("")
    width = name_width(out.out, room + bars)
    peak = max((s["live_bytes"] for s in data["steps"]), default=1) or 1
    for step in data["steps"]:
        bar = "█" * max(1, round(bars * step["live_bytes"] / peak)) if bars else ""
        table.add_row(
            str(step["index"]), *([brackets[step["index"]]] if brackets else []),
            layer_name(step.get("of") or step["layer"], width), *([part_text(step)] if learns else []),
            step["kernel"], count(step["macs"]),
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
        ("flash", used_of(data["flash_bytes"], target.program_flash(learns).size) + " for weights and tables"),
        ("MACs", f"{data['macs']:,}"),
    ]
    if text := estimate_text(data["estimate"]):
        rows.append(("predicted", text))
    if learns:
        rows[5] = ("MACs", f"{data['macs']:,} per training step: {phase_text(data['training']['macs'])}")
        rows += training_rows(data["training"])
    if data["fusion"]:
        rows.append(("fused", fused_text({**data, "segments": len(data["fusion"])})))
        rows.append(("input", INPUT_TEXT[data["input_form"]]))
    out.out.print(facts(rows))
    if data["fusion"]:
        out.out.print()
        out.out.print(segment_table(data["fusion"]))
    if data.get("pareto"):
        out.out.print("\n[bold]Front[/bold]: RAM against multiply-accumulates, no plan is better in both")
        out.out.print(front_table(data["pareto"], data["ram_bytes"]))
    if any(step["live_bytes"] > data["arena_bytes"] for step in data["steps"]):
        text = "layers that work in place share memory, so the arena is smaller than the sum of live bytes"
        out.out.print(f"[dim]note:[/dim] {text}")
    for note in data["notes"]:
        out.out.print(f"[dim]note:[/dim] {escape(note)}")


def bracket_column(data: dict[str, Any]) -> list[str]:
    """Per step the bracket of its fused segment; empty where nothing is fused."""
    if not data["fusion"]:
        return []
    found = [""] * len(data["steps"])
    for segment in data["fusion"]:
        first, last = segment["first"], segment["last"]
        found[first : last + 1] = ["╶" if first == last else "┌", *["│"] * (last - first - 1), "└"][: last - first + 1]
    return [f"[cyan]{mark}[/cyan]" if mark else "" for mark in found]


#: What a segment does with the rows that two tiles share.
_FORMS = {
    "rows": "rows, shared ones kept",
    "tiles": "tiles, shared rows kept",
    "patches": "patches, shared parts computed again",
}


def segment_table(segments: list[dict[str, Any]]) -> Table:
    """The fused segments: what runs tile by tile, how it is cut, and what that costs."""
    table = plain_table("segment", "form", "tile", "steps", "more MACs", "copied", right=("more MACs", "copied"))
    for s in segments:
        form = _FORMS[s["form"]] + (", input pushed" if s["streamed"] else "")
        share = f"{100 * s['extra_macs'] / max(s['macs'] - s['extra_macs'], 1):.1f} %" if s["extra_macs"] else "-"
        layers = f"layers {s['first']}-{s['last']}" if s["first"] < s["last"] else f"layer {s['first']}"
        table.add_row(
            layers, form, f"{s['tile_h']}x{s['tile_w']}", f"{s['n_y']}x{s['n_x']}", share, count(s["copied_bytes"])
        )
    return table


def front_of(out: Output, graph: Graph, board: str, options: PlanOptions) -> list[dict[str, Any]]:
    """The front of a model on a board, as plain data."""
    with out.phase("searching all plans"):
        return api.front_data(
            api.pareto(
                graph,
                board,
                fuse=options.fuse,
                input_mode=options.input_mode,
                train=options.train,
                max_flash=options.max_flash,
            )
        )


@verb("plan", "From a model to firmware")
def plan(
    out: Output, model: Model, board: Board, max_ram: MaxRam = None, max_mac_overhead: MaxMacOverhead = None,
    pareto: Pareto = False, mode: Input = InputMode.auto, no_fuse: NoFuse = False, train: Train = "",
    max_flash: MaxFlash = None,
) -> tuple[dict[str, Any], Render]:  # fmt: skip
    """The memory and execution plan: operator order, fused segments, kernels, arena offsets, totals."""
    options = plan_options(max_ram, max_mac_overhead, mode, no_fuse, train, max_flash)
    with out.phase("planning"):
        graph = api.load(model)
        made = api.plan_with(graph, board, options)
    for warning in graph.warnings:
        out.warn(warning)
    data = api.plan_document(made)
    if pareto:
        data["pareto"] = front_of(out, graph, board, options)
    return data, lambda: print_plan(out, data, made.target)
