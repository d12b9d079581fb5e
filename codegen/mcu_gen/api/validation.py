"""Does a device compute the same as the oracle?  Generate, build, run, compare bit by bit."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mcu_gen import frontends
from mcu_gen.api.comparison import Comparison, compare
from mcu_gen.api.devices import open_device
from mcu_gen.api.planning import PlanOptions, load, plan_with
from mcu_gen.api.projects import ProjectFile, open_project, write
from mcu_gen.api.samples import Batch, Data, TensorSpec, as_batch, random_batch, unbatch
from mcu_gen.emit.project import input_form
from mcu_gen.errors import UsageError
from mcu_gen.graph import DType
from mcu_gen.run.device import Device
from mcu_gen.run.oracle import OracleResult, oracle_version, run_litert, run_tflm

ORACLES = {"litert": "LiteRT BUILTIN_REF", "tflm": "tflite-micro"}

#: Random samples when the caller names neither a number nor data.
SAMPLES = 32

#: Samples that go to the device between two reports of progress.
_TURN = 32

Progress = Callable[[str, int, int], None]


def _silent(phase: str, done: int, total: int) -> None:
    del phase, done, total


@dataclass(frozen=True)
class Check:
    """What :func:`validate` is asked to do.

    Attributes:
        on: ``host``, ``qemu``, ``renode`` or a serial port.
        oracle: ``litert`` or ``tflm``.
        data: inputs; ``samples`` random ones from ``seed`` when left out.
        reset_state: clear variable tensors before each sample.
        options: what shapes the plan.
        out: keep the project in this folder; a temporary one otherwise.
    """

    on: str = "host"
    oracle: str = "litert"
    data: Data | None = None
    samples: int = SAMPLES
    seed: int = 0
    reset_state: bool = False
    options: PlanOptions = field(default_factory=PlanOptions)
    out: Path | None = None


def _oracle(check: Check, model: bytes, samples: Sequence[list[np.ndarray]], *, keep_all: bool = False) -> OracleResult:
    if check.oracle == "tflm" and not keep_all:
        return run_tflm(model, samples, reset_state=check.reset_state)
    # LiteRT refuses models over an axis that means nothing; TFLite Micro and we ignore it
    model = frontends.without_ignored_axes(model)
    return run_litert(model, samples, keep_all=keep_all, reset_state=check.reset_state)


def run_batch(
    device: Device, samples: Sequence[list[np.ndarray]], *, reset_state: bool, progress: Callable[[int, int], None]
) -> tuple[list[list[np.ndarray]], int]:
    """Outputs per sample and the ticks of all of them, with a report of progress every few samples."""
    outputs: list[list[np.ndarray]] = []
    ticks = 0
    for first in range(0, len(samples), _TURN):
        found, spent = device.infer_many(samples[first : first + _TURN], reset_each=reset_state)
        outputs += found
        ticks += spent
        progress(len(outputs), len(samples))
    return outputs, ticks


def _first_layer(
    project: ProjectFile, check: Check, model: bytes, samples: Sequence[list[np.ndarray]], sample: int
) -> dict[str, Any] | None:
    """The first layer whose output differs from LiteRT's tensor of the same name, for one sample.

    Earlier samples are run before it so that variable tensors have the state that they had.  None when every layer
    that LiteRT also has agrees (layers that passes merged away or took channels from cannot be compared, nor those
    inside a segment, whose outputs are never whole: there the last layer of the segment stands for all of them).
    """
    before = list(samples[:sample]) if not check.reset_state else []
    reference = _oracle(check, model, [*before, samples[sample]], keep_all=True)
    names = frontends.tensor_names(model)  # by index: names may occur twice in a file
    theirs = {names[i]: array for i, array in reference.tensors[-1].items()}
    with open_device(project, check.on, hooks=True) as device:
        for layer in project.data["layers"]:
            want = theirs.get(layer["output"])
            segment = _segment_of(project, int(layer["index"]))
            if want is None or want.shape != tuple(layer["output_shape"]):
                continue
            if segment is not None and int(layer["index"]) < segment["last"]:
                continue
            device.reset_state()
            if before:
                device.infer_many(before)
            raw = device.capture(int(layer["index"]), samples[sample])
            got = np.frombuffer(raw, DType(layer["output_dtype"]).numpy.newbyteorder("<"))
            seen = Comparison()
            if seen.add(sample, layer["output"], got.astype(want.dtype), want):
                assert seen.first is not None
                return {
                    "index": layer["index"], "name": layer["name"], "op": layer["op"], "kernel": layer["kernel"],
                    "mismatches": seen.mismatches, "elements": seen.elements, "max_abs_diff": seen.max_abs_diff,
                    "element": seen.first["index"], "got": seen.first["got"], "expected": seen.first["expected"],
                    "segment": None if segment is None else [segment["first"], segment["last"]],
                }  # fmt: skip
    return None


def _segment_of(project: ProjectFile, index: int) -> dict[str, Any] | None:
    """The fused segment that the layer ``index`` belongs to."""
    return next((s for s in project.data["plan"]["fusion"] if s["first"] <= index <= s["last"]), None)


def _inputs(check: Check, specs: Sequence[TensorSpec]) -> Batch:
    if check.data is not None:
        return as_batch(check.data, specs, where="--data")
    if check.samples < 1:
        raise UsageError(f"the number of samples is {check.samples}; it must be at least 1", where="--samples")
    return random_batch(specs, check.samples, check.seed)


def validate(
    model: str | Path, board: str, check: Check | None = None, *, progress: Progress = _silent
) -> dict[str, Any]:
    """Generates, builds and runs a model, and compares every output with the oracle's.

    Args:
        model: path of the model.
        board: board name or path of a manifest.
        check: what to compare with what.
        progress: called with ``(phase, done, total)``.

    Returns:
        the ``data`` of the verb ``validate``: ``samples``, ``elements``, ``mismatches``, ``max_abs_diff``,
        ``first_mismatch`` (None, or sample, output, index, values, and the first ``layer`` that differs) and more.

    Raises:
        DeviceError: the device or the oracle failed.
    """
    check = check or Check()
    if check.oracle not in ORACLES:
        raise UsageError(f"unknown oracle {check.oracle!r}", where="--oracle", hints=["litert or tflm"])
    progress("planning", 0, 0)
    content = frontends.load_bytes(model)
    made = plan_with(load(model), board, check.options)
    with ExitStack() as stack:
        out = check.out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mcu-gen-"))) / "project"
        write(made, out, options=check.options)
        project = open_project(out)
        specs = project.inputs
        samples = unbatch(_inputs(check, specs), specs)
        progress(f"asking {ORACLES[check.oracle]}", 0, 0)
        want = _oracle(check, content, samples).outputs
        progress(f"building and starting on {check.on}", 0, 0)
        with open_device(project, check.on, guard=True) as device:
            progress(f"running on {check.on}", 0, 0)
            got, ticks = run_batch(
                device, samples, reset_state=check.reset_state,
                progress=lambda done, total: progress(f"running on {check.on}", done, total),
            )  # fmt: skip
            instructions = device.instructions(ticks)
            stats = device.stats()
        found = compare(got, want, [s.name for s in project.outputs])
        if found.first is not None:
            progress("searching the first layer that differs", 0, 0)
            found.first["layer"] = _first_layer(project, check, content, samples, found.first["sample"])
        data = {
            "model": project.data["model"]["name"],
            "board": project.board,
            "on": check.on,
            "oracle": ORACLES[check.oracle],
            "oracle_version": oracle_version(check.oracle),
            "rule": found.rule,
            "samples": found.samples,
            "elements": found.elements,
            "mismatches": found.mismatches,
            "max_abs_diff": found.max_abs_diff,
            "first_mismatch": found.first,
            "instructions_per_sample": None if instructions is None else instructions // max(len(samples), 1),
            "stack_used": stats.stack_used,
            "stack_reserved": stats.stack_reserved,
            "guard_ok": stats.guard_ok,
            "arena_bytes": made.arena_bytes,
            "ram_bytes": made.ram_bytes,
            "macs_overhead_pct": made.macs_overhead_pct,
            "segments": len(made.segments),
            "input": input_form(made),
            "dir": str(out) if check.out else None,
        }
        if check.out:
            kept = ("on", "oracle", "oracle_version", "rule", "samples", "elements", "mismatches", "max_abs_diff")
            open_project(out).record(validation={key: data[key] for key in kept})
    return data
