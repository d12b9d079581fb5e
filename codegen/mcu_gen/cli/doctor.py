"""``mcu-gen doctor``: what is installed, what is missing, and one command to get it."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.output import Output
from mcu_gen.report.tools import apt_command, check_tools


@verb("doctor", "Look around")
def doctor(out: Output) -> tuple[dict[str, Any], Render]:
    """What is installed, what each board and emulator needs, and one command to get it."""
    checks = check_tools()
    install = apt_command(checks)

    def render() -> None:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("")
        table.add_column("what", no_wrap=True)
        table.add_column("found", overflow="fold", max_width=34)
        table.add_column("needed for", overflow="fold", ratio=1)
        for check in checks:
            mark = "[green]ok[/green]" if check.found else "[yellow]--[/yellow]" if check.optional else "[red]no[/red]"
            found = escape(check.detail) if check.found else f"[cyan]{escape(check.hint)}[/cyan]"
            table.add_row(mark, escape(check.name), found, escape(check.needed_for))
        out.out.print(table)
        absent = [c for c in checks if not c.found]
        if not absent:
            out.out.print("\nEverything is here.")
        elif install:
            out.out.print("\nTo get the missing tools:")
            out.out.print(f"  {install}", soft_wrap=True, style="cyan")

    return {
        "checks": [
            {"name": c.name, "found": c.found, "detail": c.detail, "optional": c.optional,
             "needed_for": c.needed_for, "hint": c.hint}
            for c in checks
        ],
        "install": install,
    }, render  # fmt: skip
