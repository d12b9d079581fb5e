"""``mcu-gen profile``: what each layer costs."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any

import typer

from mcu_gen import api
from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.options import On, ProjectDir
from mcu_gen.cli.output import Output
from mcu_gen.cli.tables import count, layer_name, name_width, plain_table
from mcu_gen.errors import UsageError


def write_csv(path: Path, layers: list[dict[str, Any]]) -> None:
    """One row per layer."""
    try:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(layers[0]) if layers else ["index"])
            writer.writeheader()
            writer.writerows(layers)
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=str(path)) from None


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
    """Instructions of every layer, from a build that calls a hook after each."""
    with out.phase("building with hooks and running"):
        data = api.profile(project, on=on, data=None if inputs is None else api.read_arrays(inputs), train=train)
    if file is not None:
        write_csv(file, data["layers"])
    unit = data["unit"]

    def render() -> None:
        total = data["total"][unit]
        table = plain_table(
            "#", "layer", "kernel", "MACs", unit, "per MAC", "share",
            right=("#", "MACs", unit, "per MAC", "share"),
        )  # fmt: skip
        width = name_width(out.out, 74)
        for layer in data["layers"]:
            spent, macs = layer[unit], layer["macs"]
            table.add_row(
                str(layer["index"]), layer_name(layer["name"], width), layer["kernel"], count(macs),
                f"{spent:,}", f"{spent / macs:.2f}" if macs else "-", f"{100 * spent / max(total, 1):.1f} %",
            )  # fmt: skip
        out.out.print(table)
        kind = data["layers"][0]["kind"] if data["layers"] else "simulated"
        macs = data["total"]["macs"]
        again = macs - data["total"]["macs_once"]
        if again:
            out.out.print(f"\nMACs of layers in fused segments count what tiles compute again: {again:,} in all")
        per_mac = f", {total / macs:.2f} per multiply-accumulate" if macs else ""
        out.out.print(
            f"\n[bold]{total:,}[/bold] {unit} per {'training step' if train else 'inference'}, {kind} on {on}{per_mac}"
        )

    return data, render
