"""``mcu-gen boards``: the boards that ship, or one in detail."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.output import Output
from mcu_gen.cli.sizes import human_size
from mcu_gen.targets import Target, list_targets, load_target


def board_data(target: Target) -> dict[str, Any]:
    """One board as JSON data; sizes in bytes, addresses as numbers."""
    section = target.manifest["mcu_gen"]
    return {
        "name": target.name,
        "title": target.title,
        "mcu": target.mcu,
        "cpu": target.cpu,
        "ram": target.ram_bytes,
        "flash": target.flash_bytes,
        "fp16": target.fp16,
        "features": sorted(target.features),
        "emulators": sorted(target.emulators),
        "regions": [{"name": r.name, "base": r.base, "bytes": r.size, "use": r.use} for r in target.regions],
        "stack_bytes": target.stack_bytes,
        "compilers": list(section["toolchains"]["order"]),
        "counts": section["tick"]["kind"],
    }


def _table(boards: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("board", "core", "RAM", "flash", "FP16", "emulators"):
        table.add_column(column, no_wrap=column == "board", justify="right" if column in ("RAM", "flash") else "left")
    for b in boards:
        table.add_row(
            f"[bold]{escape(b['name'])}[/bold]", escape(b["cpu"]), human_size(b["ram"]), human_size(b["flash"]),
            b["fp16"], ", ".join(b["emulators"]) or "-",
        )  # fmt: skip
    return table


def _details(out: Output, b: dict[str, Any]) -> None:
    out.out.print(f"[bold]{escape(b['name'])}[/bold]  {escape(b['title'])}")
    facts = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    facts.add_row("MCU", escape(b["mcu"]))
    facts.add_row("core", escape(b["cpu"]))
    facts.add_row("features", ", ".join(b["features"]) or "-")
    facts.add_row("FP16", b["fp16"])
    facts.add_row("stack", f"{b['stack_bytes']:,} B reserved")
    facts.add_row("compilers", ", ".join(b["compilers"]))
    facts.add_row("emulators", ", ".join(b["emulators"]) or "none: runs on hardware and, as the same C, on the host")
    facts.add_row("counts", b["counts"])
    out.out.print(facts)
    regions = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("region", "use", "base", "size"):
        regions.add_column(column, justify="right" if column in ("base", "size") else "left")
    for r in b["regions"]:
        regions.add_row(r["name"], r["use"], f"0x{r['base']:08x}", human_size(r["bytes"]))
    out.out.print()
    out.out.print(regions)


@verb("boards", "Look around")
def boards(
    out: Output,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Show this board, or a manifest of your own (.json).")
    ] = None,
) -> tuple[dict[str, Any], Render]:
    """List the boards, or show one: regions, instruction set, FP16 mode, emulators."""
    found = [board_data(t) for t in ([load_target(name)] if name else list_targets())]

    def render() -> None:
        if name:
            _details(out, found[0])
        else:
            out.out.print(_table(found))

    return {"boards": found}, render
