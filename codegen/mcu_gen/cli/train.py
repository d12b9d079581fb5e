"""``mcu-gen train``: learning on the device."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.markup import escape

from mcu_gen import api
from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.options import On, ProjectDir
from mcu_gen.cli.output import Output
from mcu_gen.cli.tables import facts
from mcu_gen.errors import UsageError

#: Heights of the loss curve.
_BARS = "▁▂▃▄▅▆▇█"

#: Columns of the loss curve, at most and at least.
_COLUMNS, _FEWEST = 60, 16

#: Ratio of the largest to the smallest loss from which on the curve has a logarithmic scale.
_LOGARITHMIC = 20.0


def curve(loss: list[float], columns: int = _COLUMNS) -> tuple[str, bool]:
    """The loss as a line of bars, each the mean of a stretch of steps, and whether their scale is logarithmic."""
    finite = [v for v in loss if math.isfinite(v)]
    if not finite:
        return "", False
    parts = [float(np.mean(p)) for p in np.array_split(np.array(finite), min(columns, len(finite)))]
    logarithmic = min(parts) > 0 and max(parts) / min(parts) >= _LOGARITHMIC
    heights = [math.log(v) for v in parts] if logarithmic else parts
    low, high = min(heights), max(heights)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((v - low) * scale)] for v in heights), logarithmic


def loss_rows(run: api.TrainingRun, width: int) -> list[tuple[str, str]]:
    """The loss at both ends, and its curve in ``width`` columns of a terminal."""
    finite = [v for v in run.loss if math.isfinite(v)]
    if not finite:
        return [("loss", "[red]never finite[/red]")]
    few = max(1, len(finite) // 10)
    ends = f"{float(np.mean(finite[:few])):.4g} at first, [bold]{float(np.mean(finite[-few:])):.4g}[/bold] at last"
    over = f" (means of {few:,} steps)" if few > 1 else ""
    bars, logarithmic = curve(run.loss, max(_FEWEST, min(_COLUMNS, width - 24)))
    return [("loss", ends + over), ("", bars + (" [dim]log scale[/dim]" if logarithmic else ""))]


def check_weights_file(path: Path) -> None:
    """Refuses a file that cannot be written, before the training and not after it.

    Raises:
        UsageError: it does not end in .npz, or lies in no folder.
    """
    if path.suffix != ".npz":
        raise UsageError("weights are written as .npz", where=str(path))
    if not path.absolute().parent.is_dir():
        raise UsageError("there is no such folder", where=str(path.absolute().parent))


@verb("train", "Run it")
def train(
    out: Output,
    project: ProjectDir,
    data: Annotated[Path, typer.Option("--data", metavar="D.npz", help="Samples x (or by input name) and labels y.")],
    steps: Annotated[int, typer.Option("--steps", metavar="N", help="Training steps, one sample each.")],
    rate: Annotated[float, typer.Option("--lr", metavar="R", help="Learning rate.")],
    on: On = "host",
    shuffle: Annotated[
        int | None, typer.Option("--shuffle", metavar="SEED", help="Take the samples in a random order.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the weights in the device's flash.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start from the model's weights; forget those in the device's flash.")
    ] = False,
    freeze: Annotated[
        str, typer.Option("--freeze", metavar="A+B", help="Layers, or trained tensors, that keep their values.")
    ] = "",
    save: Annotated[bool, typer.Option("--save", help="Store the weights in the device's flash at the end.")] = False,
    weights: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="W.npz", help="Write the trained weights.")
    ] = None,
) -> tuple[dict[str, Any], Render]:
    """On-device learning: runs training steps on the target and tells loss and accuracy."""
    if resume and fresh:
        raise UsageError("they exclude each other", where="--resume with --fresh")
    start = "resume" if resume else "model" if fresh else ""
    if weights is not None:
        check_weights_file(weights)
    x, y = api.read_labelled(data)
    with out.progress(f"training on {on}") as advance:

        def progress(done: int, total: int, loss: float) -> None:
            advance.figure(f"loss {loss:.3g}")
            advance(done, total)

        run = api.train(
            project,
            x,
            y,
            steps=steps,
            rate=rate,
            on=on,
            shuffle=shuffle,
            start=start,
            freeze=[n for n in freeze.split("+") if n],
            save=save,
            progress=progress,
            phase=advance.title,
        )
    if weights is not None:
        api.write_arrays(weights, run.weights)
    opened = api.open_project(project)
    how = opened.data["plan"]["training"]
    found: dict[str, Any] = {
        "board": opened.board,
        "on": on,
        "train": opened.data["options"].get("train"),
        "mode": how["mode"],
        "dtype": how["dtype"],
        "rate": rate,
        "steps": run.steps,
        "loss": [v if math.isfinite(v) else None for v in run.loss],
        "accuracy_before": run.accuracy_before,
        "accuracy_after": run.accuracy_after,
        "prequential_accuracy": run.prequential,
        "skipped": run.skipped,
        "instructions_per_step": run.instructions_per_step,
        "stack_used": run.stack_used,
        "weights": None if weights is None else str(weights),
        "start": start or None,
        "saved_bytes": run.saved_bytes,
    }

    def render() -> None:
        rows = [
            ("steps", f"{run.steps:,} on {escape(on)}, learning rate {rate:g}"),
            ("trained", f"--train {escape(str(found['train']))}: {how['trainable_parameters']:,} parameters, "
             f"{how['mode']}, {how['dtype']}"),
            *loss_rows(run, out.out.width),
        ]  # fmt: skip
        if run.accuracy_before is not None and run.accuracy_after is not None and run.prequential is not None:
            rows.append(("accuracy", f"{run.accuracy_before:.2%} before, [bold]{run.accuracy_after:.2%}[/bold] after"))
            rows.append(("prequential", f"{run.prequential:.2%} of the steps' predictions, before their update"))
        if run.instructions_per_step is not None:
            rows.append(("instructions", f"{run.instructions_per_step:,} per step, simulated"))
        if run.skipped:
            rows.append(("left out", f"{run.skipped:,} updates that were not finite"))
        if run.saved_bytes is not None:
            kept = os.environ.get("MCU_GEN_HOST_FLASH", "") if on == "host" else ""
            lost = f"; {escape(on)} forgets them when it ends" if on in ("host", "qemu", "renode") and not kept else ""
            rows.append(("saved", f"{run.saved_bytes:,} bytes in the device's flash{lost}"))
        if weights is not None:
            rows.append(("weights", f"[bold]{escape(str(weights))}[/bold]"))
        out.out.print(facts(rows))

    return found, render
