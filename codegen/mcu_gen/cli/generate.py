"""``mcu-gen generate``: a complete PlatformIO project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from mcu_gen import api
from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.options import Board, MaxRam, Model, NoFuse
from mcu_gen.cli.output import Output
from mcu_gen.plan.describe import plan_data


@verb("generate", "From a model to firmware")
def generate(
    out: Output,
    model: Model,
    board: Board,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the project.")],
    max_ram: MaxRam = None,
    no_fuse: NoFuse = False,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the network and prefix of its C names; the file's by default.")
    ] = None,
) -> tuple[dict[str, Any], Render]:
    """Write a complete PlatformIO project: network, runtime, board files and platform."""
    with out.phase("planning"):
        graph = api.load(model)
        made = api.plan(graph, board, max_ram=max_ram, fuse=not no_fuse)
    for warning in graph.warnings:
        out.warn(warning)
    with out.phase("writing the project"):
        project = api.write(made, output, fuse=not no_fuse, name=name)
    data = {"dir": str(project.dir), "files": list(project.files), "plan": plan_data(made)}

    def render() -> None:
        out.out.print(
            f"[bold]{escape(str(project.dir))}[/bold]: {len(project.files)} files, arena {made.arena_bytes:,} B, "
            f"RAM {made.ram_bytes:,} B on {escape(made.target.name)}"
        )
        out.note(f"next: mcu-gen build {project.dir}    (or, without mcu-gen: pio run -d {project.dir})")

    return data, render
