"""Does a device learn as TensorFlow does?  Generate, build, train on both, compare gradients, losses and weights."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from mcu_gen import frontends
from mcu_gen.api.devices import open_device
from mcu_gen.api.planning import PlanOptions, load, plan_with
from mcu_gen.api.projects import ProjectFile, open_project, write
from mcu_gen.api.samples import Data, TensorSpec, as_batch, unbatch
from mcu_gen.api.training import labels_of
from mcu_gen.api.training_comparison import TrainingComparison, reports, tolerance_of
from mcu_gen.api.training_device import Learnt, initial_value, learn
from mcu_gen.errors import UsageError
from mcu_gen.frontends.tensorflow_python import need_tensorflow
from mcu_gen.graph import DType, Graph
from mcu_gen.run.oracle import run_litert
from mcu_gen.run.training_oracle import Recipe, TrainingJob, TrainingResult, loss_of, run_training, wanted_inputs
from mcu_gen.train import TrainSpec, parse_spec

ORACLE = "TensorFlow GradientTape in float64"

#: Steps and learning rate when the caller names none.
STEPS, RATE = 16, 0.001

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
    recipe = recipe_of(parse_spec(check.options.train), loss_of(graph), check.rate)
    with ExitStack() as stack:
        out = check.out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mcu-gen-"))) / "project"
        write(made, out, options=check.options)
        project = open_project(out)
        samples, labels = _data(check, project)
        order = [i % len(samples) for i in range(check.steps)]
        given = _given(graph, model, project, samples)
        progress(f"building and starting on {check.on}", 0, 0)
        with open_device(project, check.on, guard=True) as device:
            got = learn(device, graph, recipe, [(samples[i], labels[i]) for i in order], progress)
        progress(f"asking {ORACLE}", 0, 0)
        first = [recipe.batch] if check.steps >= recipe.batch else []
        job = TrainingJob(graph, recipe, given, labels, order, [check.steps], first, got.left_out)
        want = run_training(job)
        _check_converges(want)
        found = _compare(graph, recipe, want, got, check.steps)
        data = {
            "model": project.data["model"]["name"],
            "board": project.board,
            "on": check.on,
            "train": check.options.train,
            "oracle": ORACLE,
            "oracle_version": want.version,
            "rule": found.tolerance.rule,
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
            "tensors": [{**asdict(t), "dtype": t.dtype.value} for t in found.tensors.values()],
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


def recipe_of(spec: TrainSpec, loss: str, rate: float) -> Recipe:
    """The request as the oracle takes it: every setting that both know has the same name and meaning in both."""
    known = {f.name for f in fields(Recipe)} - {"loss", "rate"}
    settings = {f.name: getattr(spec, f.name) for f in fields(spec) if f.name in known}
    return Recipe(loss, float(np.float32(rate)), **settings)


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
        shape, left = graph.tensors[name].shape, graph.channels.get(name)
        if left is not None and name in per_sample[0]:
            per_sample = [{**t, name: t[name][..., left]} for t in per_sample]
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


def _compare(graph: Graph, recipe: Recipe, want: TrainingResult, got: Learnt, steps: int) -> TrainingComparison:
    """The forward pass of the first step, then gradients, then what follows from them."""
    assert graph.training is not None
    adam, decay = recipe.optimizer == "adam", bool(recipe.weight_decay)
    found = TrainingComparison(tolerance_of(graph, updates=steps // recipe.batch, adam=adam, decay=decay))
    found.losses(got.loss, want.loss, 0, 1)
    tensors = reports(graph, graph.training.trained)
    initial = {t.name: initial_value(graph, t.name) for t in tensors}
    for t in tensors:
        if t.name in got.gradients:
            gradient = want.gradients[recipe.batch][t.name] + recipe.weight_decay * initial[t.name]
            found.gradient(t, got.gradients[t.name].reshape(gradient.shape), gradient)
    found.losses(got.loss, want.loss, 1, steps)
    for t in tensors:
        weights = got.weights[t.name].reshape(initial[t.name].shape)
        found.weights(t, initial[t.name], weights, want.weights[steps][t.name], steps)
    return found
