"""``mcu-gen profile``: what each layer costs."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from mcu_gen import api
from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.options import On, ProjectDir
from mcu_gen.cli.output import Output
from mcu_gen.cli.tables import count, layer_name, name_width, part_text, plain_table
from mcu_gen.errors import UsageError

#: Width of a terminal from which on all columns of a training profile are shown.
_ALL_COLUMNS = 96

#: What is told apart in the table by layer, with its heading.
COLUMN_TEXT = {
    "forward": "forward",
    "input_gradient": "input grad.",
    "weight_gradient": "weight grad.",
    "bias_gradient": "bias grad.",
    "update": "update",
}


def write_csv(path: Path, layers: list[dict[str, Any]]) -> None:
    """One row per layer."""
    try:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(layers[0]) if layers else ["index"])
            writer.writeheader()
            writer.writerows(layers)
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=str(path)) from None


def step_table(data: dict[str, Any], width: int, *, narrow: bool = False) -> Table:
    """A line per step; ``narrow`` leaves out the kernels."""
    unit = data["unit"]
    learns = "by_layer" in data
    total = data["total"][unit]
    numbers = ("MACs", unit, "per MAC", "share")
    table = plain_table(
        "#", "layer", *(["for"] if learns else []), *([] if narrow else ["kernel"]), *numbers, right=("#", *numbers)
    )  # fmt: skip
    if learns:
        table.columns[2].min_width = len("weight gradient")
    for layer in data["layers"]:
        spent, macs = layer[unit], layer["macs"]
        table.add_row(
            str(layer["index"]), layer_name(layer.get("of") or layer["name"], width),
            *([part_text(layer)] if learns else []), *([] if narrow else [layer["kernel"]]), count(macs), f"{spent:,}",
            f"{spent / macs:.2f}" if macs else "-", f"{100 * spent / max(total, 1):.1f} %",
        )  # fmt: skip
    return table


def layer_table(rows: list[dict[str, Any]], width: int) -> Table:
    """A line per layer of the network: what its forward pass, its gradients and its updates cost."""
    used = [c for c in COLUMN_TEXT if c != "update" or any(r[c] for r in rows)]
    heads = [COLUMN_TEXT[c] for c in used]
    table = plain_table("layer", *heads, "total", "share", right=(*heads, "total", "share"))
    total = sum(r["total"] for r in rows)
    for row in [*rows, {"layer": "all", "total": total, **{c: sum(r[c] for r in rows) for c in used}}]:
        last = row["layer"] == "all" and "op" not in row
        table.add_row(
            layer_name(row["layer"] or "every layer", width), *(count(row[c]) for c in used), f"{row['total']:,}",
            f"{100 * row['total'] / max(total, 1):.1f} %", style="bold" if last else None,
        )  # fmt: skip
    return table


@verb("profile", "Run it")
def profile(
    out: Output,
    project: ProjectDir,
    on: On = "qemu",
    inputs: Annotated[
        Path | None, typer.Option("--input", "-i", metavar="X.npy", help="Use the first sample of this file.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the layers as CSV.")] = None,
    train: Annotated[
        bool, typer.Option("--train", help="A whole training step, backward pass and updates too.")
    ] = False,
) -> tuple[dict[str, Any], Render]:
    """Instructions of every layer, from a build that calls a hook after each.

    With --train those of a training step, and a sum per layer of the network: forward, gradients, update.
    """
    with out.phase("building with hooks and running"):
        data = api.profile(project, on=on, data=None if inputs is None else api.read_arrays(inputs), train=train)
    if file is not None:
        write_csv(file, data["layers"])
    unit = data["unit"]

    def render() -> None:
        total = data["total"][unit]
        narrow = train and out.out.width < _ALL_COLUMNS
        out.out.print(step_table(data, name_width(out.out, 88 if train else 74), narrow=narrow))
        if train:
            out.out.print("\nby layer of the network:")
            out.out.print(layer_table(data["by_layer"], name_width(out.out, 74)))
        kind = data["layers"][0]["kind"] if data["layers"] else "simulated"
        macs = data["total"]["macs"]
        again = macs - data["total"]["macs_once"]
        if again:
            out.out.print(f"\nMACs of layers in fused segments count what tiles compute again: {again:,} in all")
        per_mac = f", {total / macs:.2f} per multiply-accumulate" if macs else ""
        out.out.print(
            f"\n[bold]{total:,}[/bold] {unit} per {'training step' if train else 'inference'}, {kind} on {on}{per_mac}"
        )

        told = data["total"]["predicted_instructions"]
        if told is not None and unit == "instructions":
            out.out.print(f"predicted before: {told:,} ({100 * (told / max(total, 1) - 1):+.1f} %)")
        cycles = data["total"]["estimated_cycles"]
        if cycles is not None:
            out.out.print(f"about {cycles / 1e6:.3g} M cycles: an estimate from the core's published timings")

    return data, render
