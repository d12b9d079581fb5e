"""Arguments and options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcu_gen.cli.sizes import parse_size


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A .tflite file, a Keras model (.keras, .h5) or a SavedModel folder.")
]
Board = Annotated[
    str,
    typer.Option("--board", "-b", metavar="BOARD", help="A board (see `boards`), or a manifest of your own (.json)."),
]
OptionalBoard = Annotated[
    str | None,
    typer.Option("--board", "-b", metavar="BOARD", help="A board (see `boards`), or a manifest of your own (.json)."),
]
ProjectDir = Annotated[Path, typer.Argument(metavar="DIR", help="A generated project.")]
MaxRam = Annotated[
    int | None,
    typer.Option(
        "--max-ram", metavar="SIZE", parser=_size,
        help="Limit for arena and stack together, as in 64K, 320KiB, 49728; the linker enforces it.",
    ),
]  # fmt: skip
NoFuse = Annotated[bool, typer.Option("--no-fuse", help="Plan layer by layer, even where that does not fit.")]
On = Annotated[
    str, typer.Option("--on", metavar="WHERE", help="host, qemu, renode, or a serial port such as /dev/ttyACM0.")
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the random samples.")]
