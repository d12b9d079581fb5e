"""Learning on the device: runs a generated project's training step over a data set."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mcu_gen.api.devices import open_device
from mcu_gen.api.projects import ProjectFile, open_project
from mcu_gen.api.samples import Data, TensorSpec, as_batch, split_samples, unbatch
from mcu_gen.errors import DeviceError, UsageError
from mcu_gen.graph import DType
from mcu_gen.graph.names import called, plain
from mcu_gen.run.device import Device

#: Points of a learning curve that is kept in the project.
CURVE_POINTS = 150


@dataclass(frozen=True)
class TrainingRun:
    """What a training run gives.

    Attributes:
        loss: per step, before its update; NaN where the label was no class or the prediction not finite.
        skipped: updates left out, of all steps together.
        accuracy_before, accuracy_after: share of the samples classified rightly; None for networks that do not
            classify.
        prequential: share of the samples of the run classified rightly by the weights before their own update.
        instructions_per_step: counted by an emulator; None where nothing counts instructions.
        weights: the trained tensors at the end, by name.
        saved_bytes: what was stored in the device's flash at the end; None where that was not asked for.
        stack_used: the deepest stack so far, bytes.
        right: per step, whether the prediction before its update was right; empty for networks that do not classify.
    """

    loss: list[float]
    skipped: int
    accuracy_before: float | None
    accuracy_after: float | None
    prequential: float | None
    instructions_per_step: int | None
    weights: dict[str, np.ndarray]
    stack_used: int
    saved_bytes: int | None = None
    right: list[bool] = field(default_factory=list)

    @property
    def steps(self) -> int:
        return len(self.loss)

    def curve(self, points: int = CURVE_POINTS) -> list[dict[str, Any]]:
        """The run in at most ``points`` stretches of steps.

        Each has ``step`` (its last one, counted from 1), the mean, least and largest ``loss`` of its finite ones (None
        where there are none) and the share of predictions that were ``right`` (None where nothing is classified).
        """
        found = []
        for part in np.array_split(np.arange(self.steps), max(1, min(points, self.steps))):
            if not part.size:
                continue
            loss = [self.loss[i] for i in part if math.isfinite(self.loss[i])]
            right = [self.right[i] for i in part] if self.right else []
            found.append(
                {
                    "step": int(part[-1]) + 1,
                    "loss": float(np.mean(loss)) if loss else None,
                    "low": min(loss, default=None),
                    "high": max(loss, default=None),
                    "right": float(np.mean(right)) if right else None,
                }
            )
        return found


def _no_progress(done: int, total: int, loss: float) -> None:
    del done, total, loss


def _no_phase(phase: str) -> None:
    del phase


def labels_of(project: ProjectFile, y: np.ndarray) -> np.ndarray:
    """Labels as the network takes them, one row per sample.

    Raises:
        UsageError: they are no whole numbers where classes are wanted, or no targets of the output's shape.
    """
    spec: TensorSpec = project.label
    y = np.asarray(y)
    if y.dtype.kind not in "iufb":
        raise UsageError(f"labels are {y.dtype}, numbers are wanted", where="y")
    if spec.dtype is DType.INT32:
        if y.dtype.kind == "f" and not np.array_equal(y, np.trunc(y)):
            raise UsageError("labels are class numbers, but not all are whole numbers", where="y")
        classes = project.outputs[0].shape[-1]
        if y.size and (y.min() < 0 or y.max() >= classes):
            raise UsageError(
                f"labels go from {y.min()} to {y.max()}, the network has {classes} classes", where="y",
                hints=[f"classes are numbered 0 to {classes - 1}"],
            )  # fmt: skip
    try:
        return split_samples(y, spec, "y").astype(spec.dtype.numpy)
    except UsageError:
        each = (
            "one class number" if spec.dtype is DType.INT32 and spec.elements == 1 else f"an array {list(spec.shape)}"
        )
        one_hot = y.ndim == 2 and y.size and bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())
        raise UsageError(
            f"labels of shape {list(y.shape)} are not {each} per sample", where="y",
            hints=["one-hot labels become class numbers by y.argmax(axis=1)"] if one_hot else [],
        ) from None  # fmt: skip


def train(
    folder: str | Path,
    x: Data,
    y: np.ndarray,
    *,
    steps: int,
    rate: float,
    on: str = "host",
    shuffle: int | None = None,
    start: str = "",
    save: bool = False,
    freeze: Sequence[str] = (),
    progress: Callable[[int, int, float], None] = _no_progress,
    phase: Callable[[str], None] = _no_phase,
) -> TrainingRun:
    """Trains a project that was generated with ``train`` on the device, one sample per step.

    The samples are taken in their order, again from the first when all were seen; the accuracy is that on all of them.
    A board on a serial port goes on with the weights that it has: it starts with those in its flash.  A host process or
    an emulator starts with those of the model.

    Args:
        folder: the project.
        x: samples, as for :func:`mcu_gen.api.run`.
        y: class numbers, or targets in the shape of the output.
        steps: how many.
        rate: the learning rate.
        on: ``host``, ``qemu``, ``renode``, or a serial port.
        shuffle: seed of the order in which samples are taken, another one in every pass.
        start: ``resume`` from the weights in the device's flash, which must be there; ``model``: from those of the
            model, and forget what the flash holds; "" from what the device computes with.
        freeze: layers, or trained tensors by name, that keep their values in this run.
        save: store the weights in the device's flash at the end.
        progress: called with ``(done, total, loss)`` after every step.
        phase: called with what is being done, in words.

    The learning curve is noted in ``mcu-gen.json`` as ``training_run``.

    Raises:
        UsageError: the data do not fit the network, or the project does not train.
        DeviceError: the device failed or passed its deadline, or its flash holds no weights to resume from.
    """
    project = open_project(folder)
    labels = labels_of(project, y)
    batch = as_batch(x, project.inputs, where="x")
    samples = unbatch(batch, project.inputs)
    if len(samples) != len(labels):
        raise UsageError(f"{len(samples)} samples and {len(labels)} labels", where="x, y")
    wild = next((n for n, a in batch.items() if a.dtype.kind == "f" and not np.isfinite(a).all()), None)
    if wild is not None or (labels.dtype.kind == "f" and not np.isfinite(labels).all()):
        raise UsageError("there are NaN or infinite values", where="y" if wild is None else f"x, input {wild}")
    if steps < 1 or not math.isfinite(rate) or abs(rate) > float(np.finfo(np.float32).max):
        what = f"{steps} steps" if steps < 1 else f"a learning rate of {rate}"
        raise UsageError(f"{what} cannot be done", where="--steps" if steps < 1 else "--lr")
    if shuffle is not None and shuffle < 0:
        raise UsageError(f"a seed is 0 or more, not {shuffle}", where="--shuffle")
    classes = labels.reshape(len(labels), -1)[:, 0] if project.label.dtype is DType.INT32 else None
    frozen = _frozen(project, freeze)
    losses: list[float] = []
    right: list[bool] = []
    skipped = ticks = 0
    phase(f"building and starting on {on}")
    with open_device(project, on) as device:
        _start(device, start)
        phase("accuracy before")
        before = _accuracy(device, samples, classes)
        device.set_learning_rate(rate)
        for index in frozen:
            device.freeze(index)
        phase("training")
        for done, i in enumerate(_order(len(samples), steps, shuffle)):
            step = device.train_step(samples[i], labels[i])
            losses.append(step.loss)
            skipped += step.skipped
            ticks += step.ticks
            if classes is not None:
                right.append(bool(np.argmax(device.read_outputs()[0]) == classes[i]))
            progress(done + 1, steps, step.loss)
        instructions = device.instructions(ticks)
        weights = device.read_weights(len(project.weights))
        phase("accuracy after")
        after = _accuracy(device, samples, classes)
        saved = device.save_weights() if save else None
        stack = device.stats().stack_used
    run = TrainingRun(
        loss=losses,
        skipped=skipped,
        accuracy_before=before,
        accuracy_after=after,
        prequential=float(np.mean(right)) if right else None,
        instructions_per_step=None if instructions is None else instructions // steps,
        weights={s.name: w for s, w in zip(project.weights, weights, strict=True)},
        stack_used=stack,
        saved_bytes=saved,
        right=right,
    )
    project.record(training_run=_recorded(run, on, rate, len(samples)))
    return run


def _recorded(run: TrainingRun, on: str, rate: float, samples: int) -> dict[str, Any]:
    """What ``mcu-gen.json`` keeps of a run."""
    return {
        "on": on,
        "steps": run.steps,
        "samples": samples,
        "rate": rate,
        "accuracy_before": run.accuracy_before,
        "accuracy_after": run.accuracy_after,
        "prequential_accuracy": run.prequential,
        "skipped": run.skipped,
        "instructions_per_step": run.instructions_per_step,
        "curve": run.curve(),
    }


def _frozen(project: ProjectFile, names: Sequence[str]) -> list[int]:
    """Numbers of the trained tensors that ``names`` means, by their own name or that of their layer."""
    tensors = {s.name: {s.name} for s in project.weights}
    layers: dict[str, set[str]] = {}
    for layer in project.data["layers"]:
        if layer.get("variable") in tensors:
            layers.setdefault(str(layer["of"]), set()).add(str(layer["variable"]))
    wanted: set[str] = set()
    for name in names:
        of_layer = called(name, layers)  # a layer before a tensor: converters often name its weights as it
        found = [layers[n] for n in of_layer] or [tensors[n] for n in called(name, tensors)]
        if len(found) != 1:
            why = f"nothing that is trained is called {name!r}"
            raise UsageError(
                f"{name!r} may be {len(found)} layers or tensors" if found else why, where="--freeze",
                hints=[f"layers that are trained: {plain(layers)}", f"tensors: {plain(tensors)}"],
            )  # fmt: skip
        wanted |= found[0]
    return [i for i, s in enumerate(project.weights) if s.name in wanted]


def _start(device: Device, start: str) -> None:
    """The weights that training starts with (see :func:`train`)."""
    if start not in ("", "resume", "model"):
        raise UsageError(f"{start!r} is no start", where="start", hints=["use resume, model, or nothing"])
    if start == "model":
        device.forget_weights()
        device.reset_state()
    elif start == "resume" and not device.load_weights():
        raise DeviceError(
            "no weights of this network are stored there", where=device.name,
            hints=["train with --save first", "an emulator or a process on this machine forgets them when it ends"],
        )  # fmt: skip


def _order(samples: int, steps: int, shuffle: int | None) -> list[int]:
    """Which sample each step takes."""
    if shuffle is None:
        return [i % samples for i in range(steps)]
    rng = np.random.default_rng(shuffle)
    passes = [rng.permutation(samples) for _ in range(-(-steps // samples))]
    return [int(i) for i in np.concatenate(passes)[:steps]]


def _accuracy(device: Device, samples: list[list[np.ndarray]], classes: np.ndarray | None) -> float | None:
    """Share of the samples whose largest output is the label."""
    if classes is None:
        return None
    outputs, _ = device.infer_many(samples)
    return float(np.mean([np.argmax(o[0]) == c for o, c in zip(outputs, classes, strict=True)]))
