"""``mcu-gen validate --train``: does the device learn as TensorFlow does?"""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from mcu_gen.cli.app import Render
from mcu_gen.cli.output import Output
from mcu_gen.cli.tables import facts, layer_name, name_width, plain_table
from mcu_gen.errors import MismatchError, UsageError


def check_learning(train: str, steps: int | None, rate: float | None, other_oracle: bool, reset_state: bool) -> None:
    """Refuses options of `validate` that do not go together.

    Raises:
        UsageError: options of training without it, or options that have no meaning with it.
    """
    for option, given in (("--steps", steps is not None), ("--lr", rate is not None)):
        if given and not train:
            raise UsageError("this belongs to training", where=option, hints=["say what is trained: --train head"])
    for option, given in (("--oracle tflm", other_oracle), ("--reset-state", reset_state)):
        if given and train:
            raise UsageError(
                "training is compared with TensorFlow, sample after sample", where=f"{option} with --train"
            )


def _where(first: dict[str, Any]) -> str:
    if first["what"] == "loss":
        return "the forward pass" if first["step"] == 1 else f"the loss of step {first['step']}"
    layer = first["layer"]
    return f"layer {layer['name']} ({layer['op']}), {layer['role']}"


def learning_mismatch(data: dict[str, Any]) -> MismatchError:
    """The error of a device that learns something else."""
    first = data["first_mismatch"]
    names = {"loss": "the loss", "gradient": "the gradient", "weights": "the tensor"}
    element = "" if first["what"] == "loss" else f" of {first['tensor']}, element {first['index']}"
    message = (
        f"{data['mismatches']:,} of {data['elements']:,} elements differ from {data['oracle']}; first: "
        f"{names[first['what']]}{element}, is {first['got']:.6g} after step {first['step']}, "
        f"expected {first['expected']:.6g}"
    )
    if data["skipped"]:
        message += f"; the device left out {data['skipped']:,} updates"
    hints = []
    if data["guard_ok"] is False:
        hints.append("guard bytes around the arena were overwritten: a kernel writes outside its buffers")
    if first["what"] == "loss" and first["step"] == 1:
        hints.append("compare the inference alone: mcu-gen validate without --train")
    hints.append(
        "try another --seed: where a value lies within rounding of a kink (ReLU, maximum pool), one sample may differ"
    )
    hints.append("what differs with every seed is a fault of mcu-gen: please report the model and --train")
    return MismatchError(message, where=_where(first), hints=hints)


def tensor_table(data: dict[str, Any], width: int) -> Table:
    """Distances of every trained tensor, the last layer first, as a backward pass goes."""
    table = plain_table(
        "layer", "tensor", "elements", "gradient", "weights", "allowed", "moved by",
        right=("elements", "gradient", "weights", "allowed", "moved by"),
    )  # fmt: skip
    for t in data["tensors"]:
        bad = t["mismatches"] > 0
        gradient = "-" if t["gradient"] is None else f"{t['gradient']:.1e}"
        table.add_row(
            layer_name(t["layer"], width), t["role"], f"{t['elements']:,}", gradient, f"{t['weights']:.1e}",
            f"{t['allowed']:.1e}", f"{t['change']:.1e}", style="red" if bad else None,
        )  # fmt: skip
    return table


def learning_result(out: Output, data: dict[str, Any]) -> tuple[dict[str, Any], Render]:
    """The data and how they are printed, or the error of a mismatch."""
    out.data = data
    if data["mismatches"]:
        if not out.json_mode:
            out.err.print(tensor_table(data, name_width(out.err, 68)))
        raise learning_mismatch(data)
    if data["guard_ok"] is False:
        raise MismatchError(
            "the device learns the same, but guard bytes around the arena were overwritten", where="arena",
            hints=["this is a fault of mcu-gen: please report the model"],
        )  # fmt: skip

    def render() -> None:
        out.out.print(tensor_table(data, name_width(out.out, 68)))
        gradients = sum(t["gradient"] is not None for t in data["tensors"])
        compared = f"losses and gradients of {gradients} tensors" if gradients else "losses"
        rows = [
            ("result", f"[bold green]0 mismatches[/bold green] in {data['elements']:,} elements: {compared}, weights "
             f"after {data['steps']:,} steps"),
            ("on", f"{escape(data['on'])} ({escape(data['board'])}), --train {escape(data['train'])}, "
             f"learning rate {data['rate']:g}"),
            ("oracle", f"{escape(data['oracle'])}, {escape(data['oracle_version'])}"),
            ("rule", data["rule"]),
            ("loss", f"{data['loss']['device'][0]:.4g} at first, {data['loss']['device'][-1]:.4g} at last, relative "
             f"distance {data['loss']['distance']:.1e}"),
        ]  # fmt: skip
        if data["instructions_per_step"] is not None:
            rows.append(("instructions", f"{data['instructions_per_step']:,} per step, simulated"))
        if data["stack_reserved"]:
            rows.append(("stack", f"{data['stack_used']:,} B used of {data['stack_reserved']:,} B reserved"))
        rows.append(("guard bytes", "untouched" if data["guard_ok"] else "none: no room within --max-ram"))
        if data["dir"]:
            rows.append(("project", escape(data["dir"])))
        out.out.print()
        out.out.print(facts(rows))

    return data, render
