"""Arguments and options that several verbs share."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from mcu_gen.api import PlanOptions
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
MaxMacOverhead = Annotated[
    float | None,
    typer.Option(
        "--max-mac-overhead", metavar="PCT",
        help="Multiply-accumulates that tiles may do again, in percent; alone: the least RAM within it.",
    ),
]  # fmt: skip
MaxFlash = Annotated[
    int | None,
    typer.Option(
        "--max-flash", metavar="SIZE", parser=_size,
        help="Limit for weights and tables; what it leaves goes to int16 weights, which take fewer instructions.",
    ),
]  # fmt: skip
Pareto = Annotated[
    bool, typer.Option("--pareto", help="All plans of which none is better in RAM and in multiply-accumulates.")
]


class InputMode(enum.StrEnum):
    """Where the model input is while the network runs."""

    keep = "keep"
    rows = "rows"
    auto = "auto"


Input = Annotated[
    InputMode,
    typer.Option("--input", help="keep it whole in RAM, push its rows one by one, or keep it where it fits."),
]
NoFuse = Annotated[bool, typer.Option("--no-fuse", help="Plan layer by layer, even where that does not fit.")]
Train = Annotated[
    str,
    typer.Option(
        "--train", metavar="SPEC",
        help="Learn on the device: head, last:N, all, bias, layers=a+b or bias+last:N; see docs/training.md.",
    ),
]  # fmt: skip
On = Annotated[
    str, typer.Option("--on", metavar="WHERE", help="host, qemu, renode, or a serial port such as /dev/ttyACM0.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the random samples.")]


def plan_options(
    max_ram: int | None,
    max_mac_overhead: float | None,
    mode: InputMode,
    no_fuse: bool,
    train: str = "",
    max_flash: int | None = None,
) -> PlanOptions:
    """The options of the command line as the API takes them."""
    return PlanOptions(max_ram, max_mac_overhead, not no_fuse, mode.value, train, max_flash)
