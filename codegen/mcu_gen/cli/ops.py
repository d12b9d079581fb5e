"""``mcu-gen ops``: the supported operators with their constraints."""

from __future__ import annotations

import enum
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.padding import Padding

from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.output import Output
from mcu_gen.report.operators import operator_data, operators_markdown
from mcu_gen.targets import load_target


class Format(enum.StrEnum):
    """How the list is printed."""

    table = "table"
    md = "md"


@verb("ops", "Look around")
def ops(
    out: Output,
    board: Annotated[str | None, typer.Option("--board", "-b", help="Only what this board can run.")] = None,
    train: Annotated[bool, typer.Option("--train", help="Only what gradients pass through.")] = False,
    form: Annotated[Format, typer.Option("--format", help="A table, or Markdown (docs/ops.md).")] = Format.table,
) -> tuple[dict[str, Any], Render]:
    """Supported operators with their constraints."""
    target = load_target(board) if board else None
    data = operator_data(target, train=train)

    def render() -> None:
        if form is Format.md:
            out.out.file.write(operators_markdown(target, train=train))
            return
        for op in data:
            out.out.print(f"[bold]{op['name']}[/bold]  {', '.join(op['dtypes'])}")
            for text in op["constraints"]:
                out.out.print(Padding(f"[dim]-[/dim] {escape(text)}", (0, 0, 0, 2), expand=False))
            out.out.print()
        ending = (" that can be trained through" if train else "") + (f" on {escape(target.name)}" if target else "")
        out.out.print(f"{len(data)} operators{ending}")

    return {"board": target.name if target else None, "ops": data}, render
