"""Inference and profiles of generated projects, wherever they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mcu_gen.api.devices import open_device
from mcu_gen.api.projects import open_project
from mcu_gen.api.samples import Batch, Data, as_batch, random_batch, unbatch
from mcu_gen.api.validation import run_batch
from mcu_gen.errors import UsageError
from mcu_gen.link.messages import TickKind

#: What the cost model says of a layer.
ESTIMATES = ("predicted_instructions", "estimated_cycles")

#: What :func:`by_layer` tells apart.
COLUMNS = ("forward", "input_gradient", "weight_gradient", "bias_gradient", "update")


@dataclass(frozen=True)
class Inference:
    """What a device computed.

    Attributes:
        outputs: arrays ``[samples, *shape]`` by the name of the output, in the network's own element types.
        samples: how many.
        instructions_per_sample: counted by an emulator; None where nothing counts instructions.
        stack_used: the deepest stack so far, bytes.
    """

    outputs: Batch
    samples: int
    instructions_per_sample: int | None
    stack_used: int


def _no_progress(done: int, total: int) -> None:
    del done, total


def run(
    folder: str | Path,
    x: Data,
    *,
    on: str = "host",
    reset_state: bool = False,
    progress: Callable[[int, int], None] = _no_progress,
) -> Inference:
    """Runs samples through a generated project.

    Args:
        folder: the project.
        x: the array of the only input, or arrays by input name; samples along the first axis.  Real numbers and uint8
            images become the network's type (see :func:`mcu_gen.api.samples.to_dtype`).
        on: ``host``, ``qemu``, ``renode``, or the serial port of a board that was flashed with this project.
        reset_state: clear variable tensors before each sample.
        progress: called with ``(done, total)`` samples.

    Raises:
        UsageError: the data do not fit the inputs.
        DeviceError: the device failed or passed its deadline.
    """
    project = open_project(folder)
    samples = unbatch(as_batch(x, project.inputs), project.inputs)
    with open_device(project, on) as device:
        _same_network(device.hello().model_hash, project.data["model"]["sha256"], on)
        outputs, ticks = run_batch(device, samples, reset_state=reset_state, progress=progress)
        instructions = device.instructions(ticks)
        stack = device.stats().stack_used
    stacked = {s.name: np.stack([o[i] for o in outputs]) for i, s in enumerate(project.outputs)}
    per_sample = None if instructions is None else instructions // max(len(samples), 1)
    return Inference(stacked, len(samples), per_sample, stack)


def _same_network(on_device: str, wanted: str, on: str) -> None:
    if on_device != wanted:
        raise UsageError(
            f"the device runs another model (SHA-256 {on_device[:12]}..., the project has {wanted[:12]}...)",
            where=on,
            hints=["flash the project first: mcu-gen flash DIR --port PORT"],
        )


def profile(folder: str | Path, *, on: str = "qemu", data: Data | None = None, train: bool = False) -> dict[str, Any]:
    """What each layer costs, from a build whose network calls a hook after every layer.

    Args:
        folder: the project.
        on: an emulator that counts instructions, or a board that counts cycles (it is flashed).
        data: one sample or more, of which the first is used; a pseudo-random one when left out.
        train: a whole training step of a project that was generated with training, and not its inference alone; the
            label is class 0, or zeros.

    A layer inside a fused segment runs tile by tile: its figures are sums over all tiles, and its ``macs`` count what
    tiles compute again (``macs_once``: without that).

    Returns:
        the ``data`` of the verb ``profile``: ``layers`` with ``instructions`` (or ``cycles``) and ``kind``,
        "simulated" or "measured", and ``total``; beside them what the cost model said before
        (``predicted_instructions``, and ``estimated_cycles`` on cores with published timings); of a training step also
        ``by_layer`` (see :func:`by_layer`).  Noted in ``mcu-gen.json`` as ``profile``, or ``training_profile``.

    Raises:
        UsageError: ``on`` counts nothing (the host), or the project does not train.
    """
    project = open_project(folder)
    of_project = [n for n in project.data["layers"] if train or n.get("phase", "inference") == "inference"]
    label = project.label if train else None
    if on == "host":
        raise UsageError(
            "the host counts neither instructions nor cycles of the target",
            where="--on",
            hints=["use --on qemu, or a board's serial port"],
        )  # fmt: skip
    batch = as_batch(data, project.inputs) if data is not None else random_batch(project.inputs, 1, 0)
    with open_device(project, on, hooks=True) as device:
        tick_kind = device.hello().tick_kind
        sample = unbatch(batch, project.inputs)[0]
        if label is None:
            device.infer(sample)
        else:
            device.train_step(sample, np.zeros(label.shape, label.dtype.numpy))
        ticks = device.profile(len(of_project))
        counts = [device.instructions(t) for t in ticks]
    simulated = all(c is not None for c in counts)
    if not simulated and tick_kind is not TickKind.CYCLES:
        raise UsageError(f"{on} counts neither instructions nor cycles", where="--on")
    unit = "instructions" if simulated else "cycles"
    layers = [
        {
            "index": layer["index"], "name": layer["name"], "op": layer["op"], "kernel": layer["kernel"],
            "macs": layer["computed_macs"], "macs_once": layer["macs"],
            "instructions": count if simulated else None, "cycles": None if simulated else tick,
            "kind": "simulated" if simulated else "measured", "phase": layer.get("phase", "inference"),
            **{key: layer.get(key) for key in ESTIMATES},
            **{key: layer[key] for key in ("part", "of", "role") if key in layer},
        }
        for layer, tick, count in zip(of_project, ticks, counts, strict=True)
    ]  # fmt: skip
    total = {key: sum(layer[key] for layer in layers) for key in ("macs", "macs_once")}
    total |= {"instructions": None, "cycles": None}
    for key in ESTIMATES:
        of_layers = [layer[key] for layer in layers]
        total[key] = None if None in of_layers else sum(of_layers)
    total[unit] = sum(layer[unit] for layer in layers)
    found = {"board": project.board, "on": on, "unit": unit, "layers": layers, "total": total}
    if train:
        found["by_layer"] = by_layer(layers, unit)
    project.record(**{"training_profile" if train else "profile": found})
    return found


def by_layer(steps: Sequence[Mapping[str, Any]], unit: str) -> list[dict[str, Any]]:
    """The steps of a training step, summed by layer of the network and by what they are for.

    Args:
        steps: ``layers`` of :func:`profile`.
        unit: ``instructions`` or ``cycles``.

    Returns:
        a record per layer, in the order of the forward pass: ``layer``, ``op``, ``forward``, ``input_gradient``,
        ``weight_gradient``, ``bias_gradient``, ``update`` and ``total``, in ``unit``.  The loss comes behind them, and
        what concerns no single layer under the name "".
    """
    rows: dict[str, dict[str, Any]] = {}
    for step in steps:
        part, layer = str(step["part"]), str(step["of"])
        name = "loss" if part == "loss" else layer
        row = rows.setdefault(name, {"layer": name, "op": step["op"], **dict.fromkeys((*COLUMNS, "total"), 0)})
        column = "forward" if part == "loss" else part
        if step["role"] == "bias" and part == "weight_gradient":
            column = "bias_gradient"
        row[column] += step[unit]
        row["total"] += step[unit]
    return list(rows.values())
