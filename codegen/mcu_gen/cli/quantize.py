"""``mcu-gen quantize``: from a float model to int8, with a report and an accuracy gate."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from mcu_gen import api
from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.options import Model
from mcu_gen.cli.output import Output
from mcu_gen.cli.tables import facts, layer_name, plain_table


class Method(enum.StrEnum):
    """How calibration finds the range of a tensor."""

    minmax = "minmax"
    percentile = "percentile"
    mse = "mse"


class Interface(enum.StrEnum):
    """Types of the inputs and outputs."""

    int8 = "int8"
    float = "float"


@verb("quantize", "From a model to firmware")
def quantize(
    out: Output,
    model: Model,
    calib: Annotated[Path, typer.Option("--calib", "-c", metavar="X.npz", help="Calibration samples (.npz or .npy).")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.tflite", help="The int8 model.")],
    method: Annotated[Method, typer.Option("--method", help="How ranges are found.")] = Method.minmax,
    percentile: Annotated[
        float, typer.Option("--percentile", help="What the method percentile keeps at each end, per cent.")
    ] = 99.99,
    per_tensor: Annotated[
        bool, typer.Option("--per-tensor", help="One scale per weight tensor, not one per output channel.")
    ] = False,
    io: Annotated[Interface, typer.Option("--io", help="Types of inputs and outputs.")] = Interface.int8,
    gate: Annotated[
        float | None,
        typer.Option(
            "--min-agreement", metavar="FRACTION",
            help="Write nothing (exit 5) when float and int8 model agree on fewer samples, as in 0.98.",
        ),
    ] = None,
    eval_data: Annotated[
        Path | None, typer.Option("--eval", metavar="X.npz", help="Samples of the report; those of --calib else.")
    ] = None,
) -> tuple[dict[str, Any], Render]:  # fmt: skip
    """Float model to int8: calibration, per-layer signal-to-noise ratio, agreement with the float model."""
    with out.phase("quantizing"):
        report = api.quantize(
            model, calib, output, method=method.value, percentile=percentile, per_channel=not per_tensor,
            io=io.value, min_top1_agreement=gate, eval_data=eval_data,
        )  # fmt: skip
    data = {"file": str(output), **report.to_dict()}

    def render() -> None:
        table = plain_table("layer", "operator", "SQNR", right=("SQNR",))
        for layer in report.layers:
            colour = "red" if layer.sqnr_db < 10 else "yellow" if layer.sqnr_db < 20 else "green"
            table.add_row(layer_name(layer.name), layer.op, f"[{colour}]{layer.sqnr_db:.1f} dB[/{colour}]")
        out.out.print(table)
        rows = [
            ("file", f"[bold]{escape(str(output))}[/bold], {report.int8_bytes:,} B (from {report.float_bytes:,} B)")
        ]
        rows.append(("output", f"{report.sqnr_db:.1f} dB signal to quantization noise"))
        if report.top1_agreement is not None:
            rows.append(("agreement", f"{report.top1_agreement:.2%} of {report.samples:,} samples (top 1)"))
        out.out.print()
        out.out.print(facts(rows))
        out.note(f"next: mcu-gen validate {output} --board BOARD --on qemu")

    return data, render
