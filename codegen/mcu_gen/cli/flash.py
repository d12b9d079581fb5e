"""``mcu-gen flash``: upload to a board."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from mcu_gen import api
from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.options import ProjectDir
from mcu_gen.cli.output import Output


@verb("flash", "Run it")
def flash(
    out: Output,
    project: ProjectDir,
    port: Annotated[
        str | None, typer.Option("--port", "-p", help="Serial port or probe; found by PlatformIO else.")
    ] = None,
) -> tuple[dict[str, Any], Render]:
    """Build and upload to a board."""
    with out.phase("building and uploading"):
        data = api.flash(project, port=port)
    return data, lambda: out.out.print(f"{escape(data['board'])} is flashed")
