"""``mcu-gen build``: compile and link."""

from __future__ import annotations

from typing import Any

from rich.markup import escape

from mcu_gen import api
from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.options import ProjectDir
from mcu_gen.cli.output import Output
from mcu_gen.cli.tables import facts


@verb("build", "From a model to firmware")
def build(out: Output, project: ProjectDir) -> tuple[dict[str, Any], Render]:
    """Compile and link; sizes from the linker's map file."""
    with out.phase("building"):
        data = api.build(project)

    def render() -> None:
        other = data["data"] + data["bss"] - data["arena_bytes"]
        parts = f"code {data['text']:,}, constants {data['rodata']:,}, data {data['data']:,}"
        ram = f"arena {data['arena_bytes']:,}, other {other:,}, stack {data['stack_bytes']:,}"
        rows = [
            ("flash", f"[bold]{data['flash_bytes']:,} B[/bold]: {parts}"),
            ("RAM", f"[bold]{data['ram_bytes']:,} B[/bold]: {ram}"),
            ("stack", stack_text(data)),
            ("harness", f"{data['harness_bytes']:,} B, outside the product's RAM"),
            ("compiler", escape(data["toolchain"])),
        ]
        out.out.print(f"[bold]{escape(data['elf'])}[/bold]")
        out.out.print(facts(rows))

    return data, render


def stack_text(data: dict[str, Any]) -> str:
    """The reserved stack beside the bound."""
    bound = data["stack_bound_bytes"]
    return f"{data['stack_bytes']:,} B reserved, " + (
        f"at most {bound:,} B used" if bound is not None else "no bound known"
    )
