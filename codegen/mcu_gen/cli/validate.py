"""``mcu-gen validate``: does the device compute the same as the oracle?"""

from __future__ import annotations

import enum
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from mcu_gen import api
from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.learning import check_learning, learning_result
from mcu_gen.cli.options import (
    Board,
    Input,
    InputMode,
    MaxFlash,
    MaxMacOverhead,
    MaxRam,
    Model,
    NoFuse,
    On,
    Seed,
    Train,
    plan_options,
)
from mcu_gen.cli.output import Output, Steps
from mcu_gen.cli.tables import facts, fused_text
from mcu_gen.errors import MismatchError, UsageError


class Oracle(enum.StrEnum):
    """Whose results are the rule."""

    litert = "litert"
    tflm = "tflm"


def _where(first: dict[str, Any]) -> str:
    layer = first.get("layer")
    if not layer:
        return "the outputs"
    found = f"layer {layer['index']} {layer['name']} ({layer['op']}, kernel {layer['kernel']})"
    segment = layer.get("segment")
    return found + (f", the end of the segment from layer {segment[0]} on" if segment else "")


def mismatch(data: dict[str, Any]) -> MismatchError:
    """The error of a validation that found differences."""
    first = data["first_mismatch"]
    message = (
        f"{data['mismatches']:,} of {data['elements']:,} elements differ from {data['oracle']} (largest difference "
        f"{data['max_abs_diff']:g}); first: sample {first['sample']}, output {first['output']}[{first['index']}] is "
        f"{first['got']}, expected {first['expected']}"
    )
    layer = first.get("layer")
    hints = []
    if layer:
        message += (
            f"; the first layer that differs has {layer['mismatches']:,} of {layer['elements']:,} elements wrong: "
            f"element {layer['element']} is {layer['got']}, expected {layer['expected']}"
        )
    if data["guard_ok"] is False:
        hints.append("guard bytes around the arena were overwritten: a kernel writes outside its buffers")
    hints.append("this is a fault of mcu-gen: please report the model, or the layer's shape and quantization")
    return MismatchError(message, where=_where(first), hints=hints)


def _told(out: Output, advance: Steps) -> Callable[[str, int, int], None]:
    """Reports of progress: phases, and in the long one how far it is."""

    def progress(phase: str, done: int, total: int) -> None:
        if total:
            advance(done, total)
        else:
            advance.title(phase)
            out.debug(phase)

    return progress


@verb("validate", "Run it")
def validate(
    out: Output,
    model: Model,
    board: Board,
    on: On = "host",
    samples: Annotated[
        int | None,
        typer.Option("--samples", "-n", help="Random samples (32 by default; with --train as many as steps)."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="X.npz", help="Samples from a file (with --train, labels y too), instead of random ones."
        ),
    ] = None,
    seed: Seed = 0,
    oracle: Annotated[
        Oracle, typer.Option("--oracle", help="LiteRT's reference kernels, or tflite-micro.")
    ] = Oracle.litert,
    reset_state: Annotated[
        bool, typer.Option("--reset-state", help="Clear variable tensors before each sample.")
    ] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help="Keep the project here.")] = None,
    max_ram: MaxRam = None,
    max_mac_overhead: MaxMacOverhead = None,
    mode: Input = InputMode.auto,
    no_fuse: NoFuse = False,
    train: Train = "",
    max_flash: MaxFlash = None,
    steps: Annotated[
        int | None, typer.Option("--steps", metavar="K", help="With --train: training steps (16 by default).")
    ] = None,
    rate: Annotated[
        float | None, typer.Option("--lr", metavar="R", help="With --train: learning rate (0.001 by default).")
    ] = None,
) -> tuple[dict[str, Any], Render]:
    """Generate, build, run, and compare with the oracle bit by bit; names the first layer that differs.

    With --train the device learns, and losses, gradients and weights are compared with TensorFlow's.
    """
    options = plan_options(max_ram, max_mac_overhead, mode, no_fuse, train, max_flash)
    check_learning(train, steps, rate, oracle is not Oracle.litert, reset_state)
    if samples is not None and data is not None:
        raise UsageError("--samples and --data exclude each other: give one of them", where="--samples")
    if train:
        learning = api.TrainingCheck(
            on=on, steps=api.STEPS if steps is None else steps, rate=api.RATE if rate is None else rate,
            data=None if data is None else api.read_labelled(data), samples=samples, seed=seed, options=options,
            out=output,
        )  # fmt: skip
        with out.progress("validating") as advance:
            result = api.validate_training(model, board, learning, progress=_told(out, advance))
        return learning_result(out, result)
    check = api.Check(
        on=on, oracle=oracle.value, data=None if data is None else api.read_arrays(data),
        samples=32 if samples is None else samples, seed=seed, reset_state=reset_state, options=options, out=output,
    )  # fmt: skip
    with out.progress("validating") as advance:
        result = api.validate(model, board, check, progress=_told(out, advance))
    out.data = result
    if result["mismatches"] or result["guard_ok"] is False:
        if result["first_mismatch"] is None:
            raise MismatchError(
                "the outputs agree, but guard bytes around the arena were overwritten", where="arena",
                hints=["this is a fault of mcu-gen: please report the model"],
            )  # fmt: skip
        raise mismatch(result)

    def render() -> None:
        compared = f"{result['elements']:,} elements of {result['samples']:,} samples"
        rows = [
            ("result", f"[bold green]0 mismatches[/bold green] in {compared}"),
            ("on", f"{escape(result['on'])} ({escape(result['board'])})"),
            ("oracle", f"{escape(result['oracle'])} {escape(str(result['oracle_version']))}: {result['rule']}"),
        ]
        if result["segments"]:
            rows.append(("plan", fused_text(result)))
        if result["rule"].startswith("float"):
            rows.append(("largest difference", f"{result['max_abs_diff']:.3g}"))
        if result["instructions_per_sample"] is not None:
            rows.append(("instructions", f"{result['instructions_per_sample']:,} per sample, simulated"))
        if result["stack_reserved"]:
            rows.append(("stack", f"{result['stack_used']:,} B used of {result['stack_reserved']:,} B reserved"))
        rows.append(("guard bytes", "untouched" if result["guard_ok"] else "none: no room within --max-ram"))
        if result["dir"]:
            rows.append(("project", escape(result["dir"])))
        out.out.print(facts(rows))

    return result, render
