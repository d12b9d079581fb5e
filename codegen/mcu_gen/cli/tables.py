"""Tables and lines that several verbs print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mcu_gen.cli.sizes import human_size
from mcu_gen.report.names import short_name


def plain_table(*columns: str, right: Sequence[str] = ()) -> Table:
    """A table without lines; the columns in ``right`` hold numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name in right)
    return table


def facts(rows: Sequence[tuple[str, str]]) -> Table:
    """Pairs of a name and a value (markup allowed in values)."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    return table


def shape_text(shape: Sequence[int]) -> str:
    """``1x32x32x16``."""
    return "x".join(str(d) for d in shape) or "scalar"


def used_of(used: int, limit: int) -> str:
    """``49,728 B of 128 KiB (38 %)``."""
    percent = 100 * used / limit if limit else 0
    return (
        f"[bold]{used:,} B[/bold] of {human_size(limit)} ({percent:.0f} %)"
        if percent >= 1
        else f"[bold]{used:,} B[/bold] of {human_size(limit)}"
    )


def tflm_line(tflm: Mapping[str, Any], arena: int | None) -> str:
    """What TensorFlow Lite Micro needs, beside our figure."""
    theirs = tflm.get("arena_bytes")
    if theirs is None:
        return f"[dim]no figure: {escape(str(tflm['why']))}[/dim]"
    ratio = f", {theirs / arena:.2f} times ours" if arena else ""
    how = f"measured with tflite-micro {tflm['version']} on this machine"
    return f"arena {theirs:,} B{ratio} [dim]({escape(how)})[/dim]"


#: Where the model input is, by :func:`mcu_gen.api.input_form`.
INPUT_TEXT = {
    "keep": "whole in RAM",
    "quantized": "pushed, whole once quantized",
    "rows": "pushed row by row",
}


def fused_text(plan: Mapping[str, Any]) -> str:
    """``2 fused segments, 0.4 % more MACs`` of ``segments`` (how many) and ``macs_overhead_pct``."""
    count, extra = plan["segments"], plan["macs_overhead_pct"]
    more = f"{extra:.1f} % more MACs" if extra else "no extra MACs"
    return f"{count} fused segment{'' if count == 1 else 's'}, {more}"


def front_table(front: Sequence[Mapping[str, Any]], chosen: int | None = None) -> Table:
    """Points of a front; the plan with ``chosen`` bytes of RAM is marked."""
    table = plain_table(
        "", "RAM", "arena", "more MACs", "copied", "segments", "input",
        right=("RAM", "arena", "more MACs", "copied", "segments"),
    )  # fmt: skip
    for point in front:
        own = point["ram_bytes"] == chosen
        table.add_row(
            "▸" if own else "", f"{point['ram_bytes']:,}", f"{point['arena_bytes']:,}",
            f"{point['macs_overhead_pct']:.1f} %", count(point["copied_bytes"]), count(point["segments"]),
            INPUT_TEXT[point["input"]], style="bold" if own else None,
        )  # fmt: skip
    return table


def layer_name(name: str, width: int = 32) -> str:
    """A layer's name for a table, with markup escaped."""
    return escape(short_name(name, width))


def name_width(console: Console, others: int) -> int:
    """Characters for the name of a layer in a table whose other columns take ``others``."""
    return max(14, min(32, console.width - others))


def count(number: int) -> str:
    """A number with thousands separators, a dash for none."""
    return f"{number:,}" if number else "-"


#: Phases of a training step in a column of a table.
_PARTS = {
    "forward": "forward",
    "loss": "loss",
    "input_gradient": "input gradient",
    "weight_gradient": "weight gradient",
    "update": "update",
}


#: When gradients become updates.
_MODES = {
    "immediate": "a weight gradient is applied as it is made",
    "accumulate": "all gradients first, then all updates",
}


def part_text(step: Mapping[str, Any]) -> str:
    """What a step of a training step is for."""
    if step.get("role") == "statistics":
        return "statistics"
    text = _PARTS.get(str(step.get("part")), "")
    return text.replace("weight", "bias") if step.get("role") == "bias" else text


def phase_text(macs: Mapping[str, int]) -> str:
    """``forward 71,936, input gradients 1,280``: multiply-accumulates by phase, those that have some."""
    shown = [(name + ("s" if "gradient" in name else ""), macs[key]) for key, name in _PARTS.items() if macs.get(key)]
    return ", ".join(f"{name} {number:,}" for name, number in shown)


def training_rows(training: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is trained and what that keeps in RAM, as pairs for :func:`facts`."""
    return [
        ("updates", f"[bold]{training['mode']}[/bold]: {_MODES[training['mode']]}; {training['dtype']}, "
         f"loss {training['loss']}"),
        ("trained", f"{training['trainable_parameters']:,} parameters in {training['trained_tensors']} tensors, "
         f"{training['trained_bytes']:,} B of RAM"),
        ("optimizer", f"{training['optimizer_state_bytes']:,} B of state"),
        ("saved", f"{training['saved_bytes']:,} B of activations for the backward pass"),
    ]  # fmt: skip


def estimate_text(estimate: dict[str, Any]) -> str:
    """Predicted instructions, and cycles as what they are: an estimate; "" where nothing is known."""
    if estimate["instructions"] is None:
        return ""
    text = f"{estimate['instructions']:,} instructions per inference"
    if estimate["cycles"] is not None:
        text += f"; about {estimate['cycles'] / 1e6:.3g} M cycles (an estimate from published timings)"
    if estimate["training_step"] is not None:
        text += f"; {estimate['training_step']:,} per training step"
    return text
