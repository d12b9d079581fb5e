"""What the report says about learning: costs by phase and by layer, the last run, the comparison with TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mcu_gen.report.learning_curve import learning_chart
from mcu_gen.report.names import short_name

#: Phases of a training step, in words.
PHASES = {
    "forward": "forward pass",
    "loss": "loss",
    "input_gradient": "gradients of inputs",
    "weight_gradient": "gradients of weights and biases",
    "update": "updates",
}

#: Columns of the table by layer.
_COLUMNS = {
    "forward": "forward",
    "input_gradient": "input gradient",
    "weight_gradient": "weight gradient",
    "bias_gradient": "bias gradient",
    "update": "update",
}

_MODES = {
    "immediate": "a weight gradient is applied as it is made and never exists whole",
    "accumulate": "all gradients first, then all updates or none",
}


def learning(project: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the template shows of a project that trains itself; None for others.

    Args:
        project: the content of ``mcu-gen.json``.
    """
    costs = project["plan"].get("training")
    if not costs:
        return None
    steps = project["plan"]["steps"]
    profile = project.get("training_profile")
    unit = profile["unit"] if profile else "MACs"
    spent = {p["index"]: p[unit] for p in profile["layers"]} if profile else {s["index"]: s["macs"] for s in steps}
    return {
        "facts": _facts(project["options"].get("train", ""), costs),
        "unit": unit,
        "phases": _phases(costs, steps, spent if profile else None),
        **_by_layer(steps, spent),
        "run": _run(project.get("training_run")),
        "validation": _validation(project.get("training_validation")),
    }


def part_name(step: Mapping[str, Any]) -> str:
    """What a step of a training step is for, in a table."""
    if step.get("role") == "statistics":
        return "statistics"
    part = str(step.get("part", ""))
    name = _COLUMNS.get("bias_gradient" if step.get("role") == "bias" and part == "weight_gradient" else part, part)
    return name


def _facts(spec: str, costs: Mapping[str, Any]) -> list[tuple[str, str]]:
    trained, tensors = costs["trainable_parameters"], costs["trained_tensors"]
    return [
        ("trained", f"--train {spec}: {trained:,} parameters in {tensors} tensors"),
        ("updates", f"{costs['mode']}: {_MODES[costs['mode']]}"),
        ("arithmetic", f"gradients in {costs['dtype']}, loss {costs['loss']}"),
        ("in RAM", f"{costs['trained_bytes']:,} B of weights, {costs['optimizer_state_bytes']:,} B of optimizer state, "
         f"{costs['saved_bytes']:,} B of activations saved for the backward pass"),
    ]  # fmt: skip


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f}" if whole else "0"


def _phases(
    costs: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], spent: Mapping[int, int] | None
) -> list[dict[str, str]]:
    """Rows: multiply-accumulates by phase and, where there is a profile, what was counted."""
    counted = dict.fromkeys(PHASES, 0)
    for step in steps if spent is not None else ():
        counted[step["part"]] += spent[step["index"]] if spent is not None else 0
    measure = counted if spent is not None else costs["macs"]
    total = sum(measure.values())
    return [
        {"name": text, "macs": f"{costs['macs'][key]:,}", "spent": f"{counted[key]:,}",
         "percent": _percent(measure[key], max(measure.values())), "share": f"{_percent(measure[key], total)} %"}
        for key, text in PHASES.items()
        if measure[key] or costs["macs"][key]
    ]  # fmt: skip


def _by_layer(steps: Sequence[Mapping[str, Any]], spent: Mapping[int, int]) -> dict[str, Any]:
    """Rows of the table by layer of the network; layers that cost nothing in this unit are left out."""
    rows: dict[str, dict[str, int]] = {}
    for step in steps:
        name = "loss" if step["part"] == "loss" else str(step["of"]) or "all layers"
        part = "forward" if step["part"] == "loss" else str(step["part"])
        part = "bias_gradient" if part == "weight_gradient" and step["role"] == "bias" else part
        row = rows.setdefault(name, dict.fromkeys(_COLUMNS, 0))
        row[part] += spent[step["index"]]
    used = [c for c in _COLUMNS if any(r[c] for r in rows.values())]
    largest = max((sum(r.values()) for r in rows.values()), default=0)
    return {
        "columns": [_COLUMNS[c] for c in used],
        "rows": [
            {"name": name, "short": short_name(name, 44), "cells": [f"{r[c]:,}" if r[c] else "" for c in used],
             "total": f"{sum(r.values()):,}", "percent": _percent(sum(r.values()), largest)}
            for name, r in rows.items()
            if sum(r.values())
        ],
    }  # fmt: skip


def _run(run: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not run:
        return None
    text = f"{run['steps']:,} steps on {run['on']} over {run['samples']:,} samples, learning rate {run['rate']:g}."
    if run["accuracy_before"] is not None:
        text += (
            f" Accuracy {run['accuracy_before']:.1%} before and {run['accuracy_after']:.1%} after; "
            f"{run['prequential_accuracy']:.1%} of the predictions were right before their own update."
        )
    if run["skipped"]:
        text += f" {run['skipped']:,} updates were left out because they were not finite."
    if run["instructions_per_step"]:
        text += f" {run['instructions_per_step']:,} instructions per step, simulated."
    stretch = run["steps"] / max(len(run["curve"]), 1)
    mean = f" Every point is the mean of {stretch:.0f} steps, the band their range." if stretch >= 2 else ""
    return {"text": text + mean, "chart": learning_chart(run)}


def _validation(found: Mapping[str, Any] | None) -> dict[str, str] | None:
    if not found:
        return None
    what = f"{found['steps']:,} steps on {found['on']} against {found['oracle']} {found['oracle_version']}"
    head = f"{what}, {found['elements']:,} numbers: losses, gradients, weights. "
    if found["mismatches"] == 0:
        far = [t["gradient"] for t in found["tensors"] if t["gradient"] is not None]
        worst = f" Largest relative distance of a gradient: {max(far):.1e}." if far else ""
        return {"kind": "ok", "text": f"{head}0 mismatches ({found['rule']}).{worst}"}
    first = found["first_mismatch"]
    where = f", first in {first['tensor']}" if "tensor" in first else ""
    return {"kind": "bad", "text": f"{head}{found['mismatches']:,} mismatches{where}."}
