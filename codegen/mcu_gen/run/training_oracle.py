"""The oracle of training: TensorFlow's GradientTape, losses and optimizers in float64, in a child process.

:mod:`mcu_gen.run.training_child` interprets the network's float part, runs the steps and gives losses and weights.  It
runs in the Python that :mod:`mcu_gen.frontends.tensorflow_python` finds.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mcu_gen.errors import UnsupportedModelError
from mcu_gen.frontends.tensorflow_python import missing, need_tensorflow, run_child
from mcu_gen.graph import Graph, Op, Tensor
from mcu_gen.run import training_child
from mcu_gen.run.oracle import OracleError, log_tail

#: Seconds for importing TensorFlow, and for a step of a large network.
DEADLINE_S, DEADLINE_PER_STEP_S = 180.0, 20.0

#: Losses by the operator that computes them.
_LOSSES = {
    "softmax_cross_entropy": "softmax_cross_entropy",
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "huber": "huber",
}


@dataclass(frozen=True)
class Recipe:
    """How the weights change; the definitions are those of TensorFlow and Keras.

    Attributes:
        loss: ``softmax_cross_entropy``, ``mse``, ``mae`` or ``huber`` (delta 1), each a mean over all elements.
        rate: the learning rate.
        optimizer: ``sgd``, ``momentum`` or ``adam``.
        momentum, beta_1, beta_2, epsilon: of the optimizers.
        weight_decay: decoupled, w -= rate * weight_decay * w; 0 for none.
        clip: largest global norm of the gradients of an update; 0 for none.
        batch: samples whose mean gradient makes an update.
    """

    loss: str
    rate: float
    optimizer: str = "sgd"
    momentum: float = 0.9
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    weight_decay: float = 0.0
    clip: float = 0.0
    batch: int = 1


@dataclass(frozen=True)
class TrainingJob:
    """Steps that the oracle takes.

    Attributes:
        graph: with a training step; its operators before the loss are what is interpreted.
        recipe: how the weights change.
        inputs: float32 or integer arrays ``[samples, *shape]`` of the tensors that :func:`wanted_inputs` names.
        labels: ``[samples, *shape of the label]``.
        order: the sample of each step.
        keep: steps after which the weights are wanted, counted from 1.
        gradients: steps whose gradients are wanted: the mean of a batch that ends there, clipped.
        left_out: step -> trained tensors that it does not update, for what a device has left out by its own rules.
        deadline_s: seconds for the whole job; by default more for more steps.
    """

    graph: Graph
    recipe: Recipe
    inputs: Mapping[str, np.ndarray]
    labels: np.ndarray
    order: Sequence[int]
    keep: Sequence[int] = ()
    gradients: Sequence[int] = ()
    left_out: Mapping[int, Sequence[str]] = field(default_factory=dict)
    deadline_s: float | None = None

    @property
    def limit_s(self) -> float:
        """The deadline that holds."""
        return DEADLINE_S + DEADLINE_PER_STEP_S * len(self.order) if self.deadline_s is None else self.deadline_s


@dataclass(frozen=True)
class TrainingResult:
    """What TensorFlow computed, in float64.

    Attributes:
        loss: per step, before its update.
        weights: step -> the trained tensors after it, by name.
        gradients: step -> their gradients, by name; running statistics have none.
        version: of TensorFlow.
    """

    loss: np.ndarray
    weights: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    gradients: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    version: str = ""


def loss_of(graph: Graph) -> str:
    """The loss of a graph with a training step.

    Raises:
        UnsupportedModelError: the oracle does not know it.
    """
    op = _loss_op(graph)
    if op.type not in _LOSSES:
        raise UnsupportedModelError("the oracle of training does not know this loss", reasons=[f"loss {op.type}"])
    return _LOSSES[op.type]


def wanted_inputs(graph: Graph) -> list[str]:
    """The tensors whose values the oracle must be given per sample: the network's inputs, or the integer tensors from
    which its trained part takes over."""
    return _interpreted(graph)[1]


def run_training(job: TrainingJob) -> TrainingResult:
    """Runs the steps of ``job`` in TensorFlow.

    Raises:
        ToolMissingError: there is no TensorFlow (exit 6).
        UnsupportedModelError: an operator that the oracle does not know (exit 3).
        OracleError: TensorFlow refused the network, crashed or passed the deadline (exit 7).
    """
    return run_training_many([job])[0]


def run_training_many(jobs: Sequence[TrainingJob]) -> list[TrainingResult]:
    """:func:`run_training` for many jobs in one process, which imports TensorFlow once; the first failure ends all."""
    python = need_tensorflow("the oracle of training")
    limit_s = sum(job.limit_s for job in jobs)
    with tempfile.TemporaryDirectory(prefix="mcu-gen-training-") as name:
        folders = [Path(name) / str(i) for i in range(len(jobs))]
        names = [_write_job(folder, job) for folder, job in zip(folders, jobs, strict=True)]
        with (Path(name) / "child.log").open("w+b") as log:
            try:
                code = run_child([python, training_child.__file__, *map(str, folders)], log, limit_s)
            except subprocess.TimeoutExpired:
                raise _failed(f"no result in {limit_s:g} s", "deadline", Path(name)) from None
        if code == training_child.MISSING:
            raise missing("the oracle of training", detail=log_tail(Path(name) / "child.log", 1))
        if code != 0:
            raise _failed(f"it ended with status {code}, this is a fault of the oracle", "crash", Path(name))
        return [_read_result(*each) for each in zip(folders, jobs, names, strict=True)]


def _read_result(folder: Path, job: TrainingJob, names: Sequence[str]) -> TrainingResult:
    if not (folder / "result.json").exists():
        raise _failed("it left no result, this is a fault of the oracle", "crash", folder.parent)
    status = json.loads((folder / "result.json").read_text())
    if status["status"] != "ok":
        raise _failed(status["message"], "refused", folder.parent)
    with np.load(folder / "result.npz", allow_pickle=False) as archive:
        weights, gradients = (
            {k: {n: archive[key] for i, n in enumerate(names) if (key := f"{what}/{k}/{i}") in archive} for k in steps}
            for what, steps in (("w", job.keep), ("g", job.gradients))
        )
        return TrainingResult(archive["loss"], weights, gradients, str(status["version"]))


def _failed(message: str, kind: str, folder: Path) -> OracleError:
    log = log_tail(folder / "child.log")
    last = f"; it said: {log.splitlines()[-1]}" if log and kind == "crash" else ""
    return OracleError(f"TensorFlow does not train this network: {message}{last}", where=None, kind=kind, log=log)


def _loss_op(graph: Graph) -> Op:
    assert graph.training is not None
    op = graph.producer(graph.training.loss)
    assert op is not None
    return op


def _interpreted(graph: Graph) -> tuple[list[Op], list[str]]:
    """The operators between what is given and the loss, in order, and the tensors that are given.

    Raises:
        UnsupportedModelError: an operator among them that the oracle does not know.
    """
    end = _loss_op(graph).inputs[0]
    assert end is not None
    needed, given = [end], dict.fromkeys(n for n in graph.inputs if n == end)
    ops: list[Op] = []
    for op in reversed(graph.ops[: graph.ops.index(_loss_op(graph))]):
        if not any(n in needed for n in op.outputs):
            continue
        ops.append(op)
        for name in (n for n in op.inputs if n is not None):
            t = graph.tensors[name]
            if t.data is not None or t.variable:
                continue
            if name in graph.inputs or not t.dtype.is_float:
                given[name] = None
            else:
                needed.append(name)
    unknown = sorted({op.type for op in ops if op.type not in training_child.OPERATORS})
    if unknown:
        raise UnsupportedModelError(
            "the oracle of training does not know every operator of this network",
            reasons=[f"operator {name}" for name in unknown],
        )
    return ops[::-1], list(given)


def _write_job(folder: Path, job: TrainingJob) -> list[str]:
    """The files that the child reads; returns the names of the trained tensors in its order."""
    folder.mkdir()
    graph = job.graph
    ops, given = _interpreted(graph)
    used = dict.fromkeys(n for op in ops for n in op.inputs if n is not None and n not in given)
    constants = [n for n in used if graph.tensors[n].data is not None]
    variables = [n for n in used if graph.tensors[n].variable]
    arrays = {f"c/{i}": graph.tensors[n].data for i, n in enumerate(constants)}
    arrays |= {f"v/{i}": _initial(graph.tensors[n]) for i, n in enumerate(variables)}
    arrays |= {f"in/{i}": job.inputs[n] for i, n in enumerate(given)}
    with (folder / "arrays.npz").open("wb") as file:
        np.savez(file, label=job.labels, **arrays)  # type: ignore[arg-type]
    document = {
        "statistics": _statistics(graph, ops),
        "ops": [described(graph, op) for op in ops],
        "inputs": given,
        "constants": constants,
        "variables": variables,
        "end": _loss_op(graph).inputs[0],
        "order": [int(i) for i in job.order],
        "keep": [int(k) for k in job.keep],
        "gradients": [int(k) for k in job.gradients],
        "left_out": {str(step): list(names) for step, names in job.left_out.items()},
        "recipe": asdict(job.recipe),
    }
    (folder / "job.json").write_text(json.dumps(document))
    return variables


def _statistics(graph: Graph, ops: Sequence[Op]) -> list[dict[str, Any]]:
    """Running statistics that a step moves: of which tensor, and how much of them it keeps."""
    known = {n for op in ops for n in (*op.inputs, *op.outputs)}
    found = []
    for op in graph.ops:
        if op.type == "batch_norm_statistics":
            x = op.inputs[0]
            while x is not None and x not in known:  # a conversion to halves, in front of the update
                producer = graph.producer(x)
                x = None if producer is None else producer.inputs[0]
            found.append({"variable": op.outputs[0], "x": x, "momentum": float(np.float32(op.attrs["momentum"]))})
    return found


def _initial(tensor: Tensor) -> np.ndarray:
    """What a variable holds at first; float32."""
    assert tensor.initial is not None, f"{tensor.name} has no initial value"
    return tensor.initial


def described(graph: Graph, op: Op) -> dict[str, Any]:
    """One operator as the child reads it: JSON-ready."""
    tensors = [None if n is None else graph.tensors[n] for n in op.inputs]
    return {
        "type": op.type,
        "inputs": list(op.inputs),
        "outputs": list(op.outputs),
        "shapes": [list(graph.tensors[n].shape) for n in op.outputs],
        "attrs": {k: list(v) if isinstance(v, tuple) else v for k, v in op.attrs.items()},
        "quant": [None if t is None else _quantization(t) for t in tensors],
    }


def _quantization(tensor: Tensor) -> dict[str, Any] | None:
    q = tensor.quant
    return None if q is None else {"scale": q.scale.tolist(), "zero_point": q.zero_point.tolist(), "axis": q.axis}
