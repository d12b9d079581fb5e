"""Does a device learn as TensorFlow does?  Generate, build, train on both, compare gradients, losses and weights."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mcu_gen import frontends
from mcu_gen.api.devices import open_device
from mcu_gen.api.planning import PlanOptions, load, plan_with
from mcu_gen.api.projects import ProjectFile, open_project, write
from mcu_gen.api.samples import Data, TensorSpec, as_batch, unbatch
from mcu_gen.api.training import labels_of
from mcu_gen.api.training_comparison import RULE, TrainingComparison, reports
from mcu_gen.errors import UsageError
from mcu_gen.frontends.tensorflow_python import need_tensorflow
from mcu_gen.graph import DType, Graph
from mcu_gen.run.device import Device
from mcu_gen.run.oracle import run_litert
from mcu_gen.run.training_oracle import Recipe, TrainingJob, TrainingResult, loss_of, run_training, wanted_inputs

ORACLE = "TensorFlow GradientTape in float64"

#: Steps and learning rate when the caller names none.
STEPS, RATE = 16, 0.001

#: The rate of the first update, from which gradients are read: the weights themselves vanish beside rate * gradient.
_PROBE_RATE = 2.0**30

#: Losses and weights of a run that is still worth comparing; beyond, float32 and float64 part.
_DIVERGED = 1e12

Progress = Callable[[str, int, int], None]


def _silent(phase: str, done: int, total: int) -> None:
    del phase, done, total


@dataclass(frozen=True)
class TrainingCheck:
    """What :func:`validate_training` is asked to do.

    Attributes:
        on: ``host``, ``qemu``, ``renode`` or a serial port.
        steps: training steps, one sample each; samples are taken in order, again from the first when all were seen.
        rate: the learning rate.
        data: inputs and labels; pseudo-random ones from ``seed`` when left out.
        samples: how many of those; as many as ``steps`` when left out.
        options: what shapes the plan; ``options.train`` says what is trained.
        out: keep the project in this folder; a temporary one otherwise.
    """

    on: str = "host"
    steps: int = STEPS
    rate: float = RATE
    data: tuple[Data, np.ndarray] | None = None
    samples: int | None = None
    seed: int = 0
    options: PlanOptions = field(default_factory=PlanOptions)
    out: Path | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UsageError(f"{self.steps} steps cannot be done", where="--steps")
        if not math.isfinite(self.rate) or self.rate == 0 or abs(self.rate) > float(np.finfo(np.float32).max):
            raise UsageError(f"a learning rate of {self.rate:g} changes nothing that could be compared", where="--lr")
        if self.samples is not None and self.samples < 1:
            raise UsageError(f"the number of samples is {self.samples}; it must be at least 1", where="--samples")


@dataclass(frozen=True)
class _Run:
    """What the device did."""

    loss: np.ndarray
    gradients: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    skipped: list[int]
    instructions: int | None
    stats: Any


def validate_training(
    model: str | Path, board: str, check: TrainingCheck, *, progress: Progress = _silent
) -> dict[str, Any]:
    """Trains a model on a device and in TensorFlow, and compares.

    Args:
        model: path of the model.
        board: board name or path of a manifest.
        check: what is trained, on what.
        progress: called with ``(phase, done, total)``.

    Returns:
        the ``data`` of the verb ``validate`` with ``--train``: ``samples``, ``steps``, ``elements``, ``mismatches``,
        ``max_abs_diff`` (of losses and weights), ``first_mismatch`` (None, or ``what`` of loss, gradient and weights,
        step, tensor, layer, index and both values), ``tensors`` with the distances of each, and more.

    Raises:
        ToolMissingError: there is no TensorFlow.
        UsageError: the data do not fit, or training diverges.
        DeviceError: the device or the oracle failed.
    """
    need_tensorflow("the oracle of training", "--train")
    progress("planning", 0, 0)
    made = plan_with(load(model), board, check.options)
    graph = made.graph
    training = graph.training
    assert training is not None, "check.options.train is set"
    recipe = Recipe(loss_of(graph), float(np.float32(check.rate)))
    with ExitStack() as stack:
        out = check.out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mcu-gen-"))) / "project"
        write(made, out, options=check.options)
        project = open_project(out)
        samples, labels = _data(check, project)
        order = [i % len(samples) for i in range(check.steps)]
        progress(f"asking {ORACLE}", 0, 0)
        given = _given(graph, model, project, samples)
        first = [recipe.batch] if check.steps >= recipe.batch else []
        job = TrainingJob(graph, recipe, given, labels, order, [check.steps], first)
        want = run_training(job)
        _check_converges(want)
        progress(f"building and starting on {check.on}", 0, 0)
        with open_device(project, check.on, guard=True) as device:
            got = _train(device, project, check.rate, recipe.batch, [(samples[i], labels[i]) for i in order], progress)
        found = _compare(graph, project, recipe, want, got, check.steps)
        data = {
            "model": project.data["model"]["name"],
            "board": project.board,
            "on": check.on,
            "train": check.options.train,
            "oracle": ORACLE,
            "oracle_version": want.version,
            "rule": RULE,
            "samples": len(samples),
            "steps": check.steps,
            "rate": check.rate,
            "recipe": asdict(recipe),
            "elements": found.elements,
            "mismatches": found.mismatches,
            "max_abs_diff": found.max_abs_diff,
            "first_mismatch": found.first,
            "skipped": sum(got.skipped),
            "loss": {"device": got.loss.tolist(), "oracle": want.loss.tolist(), "distance": found.loss_distance},
            "tensors": [asdict(t) for t in found.tensors.values()],
            "instructions_per_step": got.instructions,
            "stack_used": got.stats.stack_used,
            "stack_reserved": got.stats.stack_reserved,
            "guard_ok": got.stats.guard_ok,
            "arena_bytes": made.arena_bytes,
            "ram_bytes": made.ram_bytes,
            "dir": str(out) if check.out else None,
        }
        if check.out:
            left_out = ("loss", "dir", "model", "board")
            open_project(out).record(training_validation={k: v for k, v in data.items() if k not in left_out})
    return data


def _data(check: TrainingCheck, project: ProjectFile) -> tuple[list[list[np.ndarray]], np.ndarray]:
    """Samples and labels."""
    if check.data is not None:
        x, y = check.data
        labels = labels_of(project, y)
        samples = unbatch(as_batch(x, project.inputs, where="--data"), project.inputs)
        if len(samples) != len(labels):
            raise UsageError(f"{len(samples)} samples and {len(labels)} labels", where="--data")
        return samples, labels
    rng = np.random.default_rng(check.seed)
    count = check.samples or check.steps
    batch = {s.name: _random(rng, s, count) for s in project.inputs}
    label = project.label
    shape = (count, *label.shape)
    if label.dtype is DType.INT32:
        y = rng.integers(0, project.outputs[0].shape[-1], shape).astype(np.int32)
    else:
        y = rng.uniform(-1, 1, shape).astype(np.float32)
    return unbatch(batch, project.inputs), y


def _random(rng: np.random.Generator, spec: TensorSpec, count: int) -> np.ndarray:
    """Samples over the whole range of a type; no constant ones, whose equal values make ties in maximum pools."""
    shape = (count, *spec.shape)
    if spec.dtype.is_float:
        return rng.uniform(-1, 1, shape).astype(spec.dtype.numpy)
    low, high = spec.dtype.limits if spec.dtype.size < 4 else (0, 1)
    return rng.integers(low, high + 1, shape).astype(spec.dtype.numpy)


def _given(
    graph: Graph, model: str | Path, project: ProjectFile, samples: Sequence[list[np.ndarray]]
) -> dict[str, np.ndarray]:
    """The tensors from which TensorFlow takes over: inputs of the network, or what LiteRT computes of them."""
    wanted = wanted_inputs(graph)
    own = {s.name: np.stack([x[i] for x in samples]) for i, s in enumerate(project.inputs)}
    if all(n in own for n in wanted):
        return {n: own[n] for n in wanted}
    content = frontends.without_ignored_axes(frontends.load_bytes(model))
    names = frontends.tensor_names(content)
    per_sample = [
        {names[i]: array for i, array in tensors.items()}
        for tensors in run_litert(content, samples, keep_all=True).tensors
    ]
    found = {}
    for name in wanted:
        shape = graph.tensors[name].shape
        if name in own:
            found[name] = own[name]
        elif name in per_sample[0] and per_sample[0][name].shape == shape:
            found[name] = np.stack([t[name] for t in per_sample])
        else:
            raise UsageError(
                f"the frozen part ends at tensor {name} {list(shape)}, which LiteRT does not have in this form",
                where="--train", hints=["train one layer more or fewer"],
            )  # fmt: skip
    return found


def _check_converges(want: TrainingResult) -> None:
    """Refuses runs of which nothing can be learnt about the device.

    Raises:
        UsageError: losses or weights grow without bound.
    """
    wild = ~(np.abs(want.loss) < _DIVERGED)
    if wild.any() or any(not (np.abs(w) < _DIVERGED).all() for run in want.weights.values() for w in run.values()):
        step = int(np.argmax(wild)) + 1 if wild.any() else len(want.loss)
        raise UsageError(
            f"training diverges, in TensorFlow as well: the loss of step {step} is {want.loss[step - 1]:.3g}",
            where="--lr", hints=["give a smaller learning rate", "give samples that the model was made for: --data"],
        )  # fmt: skip


def _train(
    device: Device, project: ProjectFile, rate: float, batch: int,
    steps: Sequence[tuple[list[np.ndarray], np.ndarray]], progress: Progress,
) -> _Run:  # fmt: skip
    """The first update with a rate from which the gradients can be read, then all steps from the beginning."""
    names = [s.name for s in project.weights]
    before = [w.astype(np.float64) for w in device.read_weights(len(names))]
    device.set_learning_rate(_PROBE_RATE)
    skipped = sum(device.train_step(*step).skipped for step in steps[:batch])
    gradients = {}
    if not skipped and len(steps) >= batch:
        after = device.read_weights(len(names))
        gradients = {n: (w - v) / _PROBE_RATE for n, w, v in zip(names, before, after, strict=True)}
    device.reset_state()
    device.set_learning_rate(rate)
    losses, left_out, ticks = [], [], 0
    for done, (x, y) in enumerate(steps, 1):
        step = device.train_step(x, y)
        losses.append(step.loss)
        left_out.append(step.skipped)
        ticks += step.ticks
        progress("training", done, len(steps))
    weights = dict(zip(names, device.read_weights(len(names)), strict=True))
    instructions = device.instructions(ticks)
    per_step = None if instructions is None else instructions // len(steps)
    return _Run(np.array(losses), gradients, weights, left_out, per_step, device.stats())


def _compare(
    graph: Graph, project: ProjectFile, recipe: Recipe, want: TrainingResult, got: _Run, steps: int
) -> TrainingComparison:
    """The forward pass of the first step, then gradients, then what follows from them."""
    found = TrainingComparison()
    found.losses(got.loss, want.loss, 0, 1)
    tensors = reports(graph, [s.name for s in project.weights])
    initial = {t.name: _initial(graph, t.name) for t in tensors}
    for t in tensors if got.gradients else ():
        gradient = want.gradients[recipe.batch][t.name] + recipe.weight_decay * initial[t.name]
        found.gradient(t, got.gradients[t.name].reshape(gradient.shape), gradient)
    found.losses(got.loss, want.loss, 1, steps)
    for t in tensors:
        weights = got.weights[t.name].astype(np.float64).reshape(initial[t.name].shape)
        found.weights(t, initial[t.name], weights, want.weights[steps][t.name], steps)
    return found


def _initial(graph: Graph, name: str) -> np.ndarray:
    initial = graph.tensors[name].initial
    assert initial is not None
    return initial.astype(np.float64)
