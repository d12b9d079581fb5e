"""``mcu-gen train``: learning on the device."""

from __future__ import annotations

import math
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

#: Heights of the loss curve.
_BARS = "▁▂▃▄▅▆▇█"

#: Columns of the loss curve.
_COLUMNS = 60


def curve(loss: list[float]) -> str:
    """The loss as a line of bars, each the mean of a stretch of steps."""
    finite = [v for v in loss if math.isfinite(v)]
    if not finite:
        return ""
    parts = [float(np.mean(p)) for p in np.array_split(np.array(finite), min(_COLUMNS, len(finite)))]
    low, high = min(parts), max(parts)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((v - low) * scale)] for v in parts)


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
    weights: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="W.npz", help="Write the trained weights.")
    ] = None,
) -> tuple[dict[str, Any], Render]:
    """On-device learning: runs training steps on the target and tells loss and accuracy."""
    x, y = api.read_labelled(data)
    with out.progress(f"training on {on}") as advance:
        run = api.train(project, x, y, steps=steps, rate=rate, on=on, shuffle=shuffle, progress=advance)
    if weights is not None:
        api.write_arrays(weights, run.weights)
    found: dict[str, Any] = {
        "board": api.open_project(project).board,
        "on": on,
        "steps": run.steps,
        "loss": [v if math.isfinite(v) else None for v in run.loss],
        "accuracy_before": run.accuracy_before,
        "accuracy_after": run.accuracy_after,
        "prequential_accuracy": run.prequential,
        "skipped": run.skipped,
        "instructions_per_step": run.instructions_per_step,
        "stack_used": run.stack_used,
        "weights": None if weights is None else str(weights),
    }

    def render() -> None:
        tail = run.loss[-max(1, run.steps // 10) :]
        rows = [
            ("steps", f"{run.steps:,} on {escape(on)}"),
            ("loss", f"{run.loss[0]:.4g} at first, {float(np.mean(tail)):.4g} at last"),
            ("", curve(run.loss)),
        ]
        if run.accuracy_before is not None and run.accuracy_after is not None and run.prequential is not None:
            rows.append(("accuracy", f"{run.accuracy_before:.2%} before, [bold]{run.accuracy_after:.2%}[/bold] after"))
            rows.append(("prequential", f"{run.prequential:.2%} of the steps' predictions, before their update"))
        if run.instructions_per_step is not None:
            rows.append(("instructions", f"{run.instructions_per_step:,} per step, simulated"))
        if run.skipped:
            rows.append(("left out", f"{run.skipped:,} updates that were not finite"))
        if weights is not None:
            rows.append(("weights", f"[bold]{escape(str(weights))}[/bold]"))
        out.out.print(facts(rows))

    return found, render
