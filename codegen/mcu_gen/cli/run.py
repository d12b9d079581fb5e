"""``mcu-gen run``: inference on the target."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.markup import escape

from mcu_gen import api
from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.options import On, ProjectDir
from mcu_gen.cli.output import Output
from mcu_gen.cli.tables import facts, plain_table, shape_text

#: Rows of outputs that are printed where no file takes them.
_SHOWN = 8


def accuracy(outputs: np.ndarray, labels: np.ndarray) -> tuple[int, int] | None:
    """``(right, samples)`` of a classifier whose output has one number per class; None where the labels do not fit."""
    scores = outputs.reshape(len(outputs), -1)
    if len(labels) != len(scores) or scores.shape[1] < 2 or labels.min() < 0 or labels.max() >= scores.shape[1]:
        return None
    return int(np.count_nonzero(np.argmax(scores, axis=1) == labels)), len(labels)


@verb("run", "Run it")
def run(
    out: Output,
    project: ProjectDir,
    inputs: Annotated[
        Path,
        typer.Option(
            "--input", "-i", metavar="X.npy",
            help="Samples: .npy for one input, .npz with the inputs' names (or x, and y with labels).",
        ),
    ],
    on: On = "host",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="Y.npy", help="Write the outputs: .npy for one, or .npz.")
    ] = None,
    real: Annotated[bool, typer.Option("--dequantize", help="Write real numbers and not quantized values.")] = False,
    reset_state: Annotated[
        bool, typer.Option("--reset-state", help="Clear variable tensors before each sample.")
    ] = False,
) -> tuple[dict[str, Any], Render]:  # fmt: skip
    """Inference on the target: the host, an emulator, or a board on a serial port."""
    specs = api.open_project(project).outputs
    samples = api.read_arrays(inputs)
    with out.progress(f"running on {on}") as advance:
        found = api.run(project, samples, on=on, reset_state=reset_state, progress=advance)
    arrays = {s.name: api.dequantize(found.outputs[s.name], s) if real else found.outputs[s.name] for s in specs}
    if output is not None:
        api.write_arrays(output, arrays)
    outputs: list[dict[str, Any]] = [
        {"name": name, "shape": list(a.shape), "dtype": a.dtype.name} for name, a in arrays.items()
    ]
    if output is None:
        for entry, a in zip(outputs, arrays.values(), strict=True):
            entry["values"] = a
    data: dict[str, Any] = {
        "board": api.open_project(project).board,
        "on": on,
        "samples": found.samples,
        "outputs": outputs,
        "file": None if output is None else str(output),
        "instructions_per_sample": found.instructions_per_sample,
        "stack_used": found.stack_used,
        "accuracy": None,
    }
    labels = api.read_labels(inputs)
    right = accuracy(found.outputs[specs[0].name], labels) if labels is not None and len(labels) else None
    if right is not None:
        data["accuracy"] = right[0] / right[1]

    def render() -> None:
        rows = [("samples", f"{found.samples:,} on {escape(on)}")]
        if found.instructions_per_sample is not None:
            rows.append(("instructions", f"{found.instructions_per_sample:,} per sample, simulated"))
        if found.stack_used:
            rows.append(("stack", f"{found.stack_used:,} B used"))
        if right is not None:
            rows.append(
                ("accuracy", f"{right[0] / right[1]:.2%} ({right[0]} of {right[1]} labels in {escape(str(inputs))})")
            )
        if output is not None:
            rows.append(("outputs", f"[bold]{escape(str(output))}[/bold]"))
        out.out.print(facts(rows))
        if output is None:
            table = plain_table("sample", *arrays, right=("sample",))
            for i in range(min(found.samples, _SHOWN)):
                table.add_row(str(i), *(_preview(a[i]) for a in arrays.values()))
            out.out.print()
            out.out.print(table)
            if found.samples > _SHOWN:
                out.note(f"{found.samples - _SHOWN} more; -o FILE writes all of them")

    return data, render


def _preview(array: np.ndarray) -> str:
    flat = array.reshape(-1)
    shown = " ".join(f"{v:.4g}" if array.dtype.kind == "f" else str(v) for v in flat[:12])
    return shown if flat.size <= 12 else f"{shown} ... ({shape_text(array.shape)})"
