"""``mcu-gen generate``: a complete PlatformIO project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from mcu_gen import api
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
from mcu_gen.cli.plan import front_of
from mcu_gen.cli.tables import INPUT_TEXT, fused_text


@verb("generate", "From a model to firmware")
def generate(
    out: Output,
    model: Model,
    board: Board,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the project.")],
    max_ram: MaxRam = None,
    max_mac_overhead: MaxMacOverhead = None,
    mode: Input = InputMode.auto,
    no_fuse: NoFuse = False,
    pareto: Pareto = False,
    train: Train = "",
    max_flash: MaxFlash = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the network and prefix of its C names; the file's by default.")
    ] = None,
) -> tuple[dict[str, Any], Render]:
    """Write a complete PlatformIO project: network, runtime, board files and platform."""
    options = plan_options(max_ram, max_mac_overhead, mode, no_fuse, train, max_flash)
    with out.phase("planning"):
        graph = api.load(model)
        made = api.plan_with(graph, board, options)
    front = front_of(out, graph, board, options) if pareto else None
    for warning in [*graph.warnings, *filter(None, [api.lost_weights(made)])]:
        out.warn(warning)
    with out.phase("writing the project"):
        project = api.write(made, output, options=options, name=name)
    planned = api.plan_document(made)
    if front is not None:
        planned["pareto"] = front
        api.open_project(project.dir).record(plan=planned)
    data = {"dir": str(project.dir), "files": list(project.files), "plan": planned}

    def render() -> None:
        out.out.print(
            f"[bold]{escape(str(project.dir))}[/bold]: {len(project.files)} files, arena {made.arena_bytes:,} B, "
            f"RAM {made.ram_bytes:,} B on {escape(made.target.name)}"
        )
        if made.segments:
            text = fused_text({"segments": len(made.segments), "macs_overhead_pct": made.macs_overhead_pct})
            out.out.print(f"{text}; input: {INPUT_TEXT[api.input_form(made)]}")
        out.note(f"next: mcu-gen build {project.dir}    (or, without mcu-gen: pio run -d {project.dir})")

    return data, render
