"""Comparing how a device trains with how TensorFlow does: gradients, losses, weights.

A weight is rounded once per update, by at most half a unit in its last place: 2^-24 of its magnitude in float32, 2^-11
in float16 (twice that where it is rounded stochastically).  That is the rule of the format and no fault, so it is
allowed on top of the relative distance of what is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Graph
from mcu_gen.train.phases import gradient_dtype, parts


@dataclass(frozen=True)
class Tolerance:
    """Largest relative L2 distances.

    Attributes:
        loss: of the losses of all steps.
        gradient: of the gradient of a tensor.
        change: of the change of a tensor over all steps, besides rounding.
        updates: updates of a tensor, each of which rounds it.
        roundings: float32 roundings of a weight per update.
        rule: all of it in words.
    """

    loss: float
    gradient: float
    change: float
    updates: int
    roundings: int
    rule: str

    def rounding(self, dtype: DType) -> float:
        """What rounding alone may do to a tensor, relative to its norm."""
        if dtype is DType.FLOAT16:
            return (self.updates + 1) * 2.0**-11
        return self.updates * self.roundings * 2.0**-24


def tolerance_of(graph: Graph, *, updates: int, adam: bool, decay: bool) -> Tolerance:
    """What is allowed for the training step of a graph.

    Halves store activations and gradients with a relative error of 2^-11 each, of which sums keep little.  Adam divides
    each gradient by its own magnitude, so elements whose gradient is nearly 0 keep the relative error of that.  Weight
    decay multiplies a weight, by a rounded factor, before a gradient is added.  Where weights are halves, what
    their rounding does to one layer moves all others.

    Args:
        graph: with a training step.
        updates: how many there will be.
        adam: whether the optimizer is Adam.
        decay: whether there is weight decay.
    """
    assert graph.training is not None
    half = gradient_dtype(graph) == "float16"
    stored = any(graph.tensors[n].dtype is DType.FLOAT16 for n in graph.training.trained)
    loss, gradient, change = (5e-3, 5e-3, 2e-2) if half else (1e-5, 1e-5, 1e-5)
    if stored:
        loss, change = 5e-2, 0.25
    if adam:
        change = 0.25 if half else 1e-3
    name = "float16 with float32 sums" if half else "float32"
    rule = (
        f"{name} within relative L2 distances: losses {loss:g}, gradients {gradient:g}, changes of weights {change:g} "
        "and the rounding of a weight at each update"
    )
    return Tolerance(loss, gradient, change, updates, 3 if decay else 1, rule)


def distance(got: np.ndarray, want: np.ndarray) -> float:
    """Relative L2 distance of ``got`` from ``want``; 0 where both are 0."""
    off, size = (float(np.linalg.norm(a)) for a in (got - want, want))
    return off / size if size else (0.0 if off == 0 else float("inf"))


def wrong_elements(got: np.ndarray, want: np.ndarray, allowed: float) -> np.ndarray:
    """Which elements count as mismatches: none where the L2 distance is at most ``allowed``, else those that are off by
    more than their share of it.  What is not finite is always wrong."""
    off = np.abs(got - want)
    wild: np.ndarray = ~np.isfinite(off)
    if np.linalg.norm(np.where(wild, 0.0, off)) <= allowed:
        return wild
    far: np.ndarray = wild | (off > allowed / np.sqrt(max(off.size, 1)))
    return far


@dataclass
class TensorReport:
    """One trained tensor.

    Attributes:
        name, layer, op: the tensor, and the layer that it belongs to.
        role: ``weights`` or ``bias``.
        dtype: what it is stored in.
        gradient: relative L2 distance of its gradient in the first update; None where that was not looked at.
        weights: relative L2 distance of its change after all steps.
        allowed: the relative L2 distance that is allowed for ``weights``.
        change: L2 norm of its change in TensorFlow, relative to the tensor's own.
        mismatches: elements that are wrong, of gradient and weights.
    """

    name: str
    layer: str
    op: str
    role: str
    elements: int
    dtype: DType
    gradient: float | None = None
    weights: float = 0.0
    allowed: float = 0.0
    change: float = 0.0
    mismatches: int = 0


@dataclass
class TrainingComparison:
    """Counts over losses, gradients and weights; ``first`` is the first mismatch in the order of a backward pass."""

    tolerance: Tolerance
    elements: int = 0
    mismatches: int = 0
    max_abs_diff: float = 0.0
    first: dict[str, Any] | None = None
    loss_distance: float = 0.0
    tensors: dict[str, TensorReport] = field(default_factory=dict)

    def losses(self, got: np.ndarray, want: np.ndarray, begin: int, end: int) -> None:
        """The losses of the steps from ``begin`` to before ``end``, counted from 0."""
        self.loss_distance = distance(got, want)
        allowed = self.tolerance.loss * float(np.linalg.norm(want))
        wrong = wrong_elements(got[begin:end], want[begin:end], allowed)
        if wrong.any():
            step = begin + int(np.argmax(wrong))
            self._first({"what": "loss", "step": step + 1, "index": 0}, got[step], want[step])
        self._count(wrong)
        self._largest(got[begin:end] - want[begin:end])

    def gradient(self, report: TensorReport, got: np.ndarray, want: np.ndarray) -> None:
        """The gradient of one tensor in the first update."""
        report.gradient = distance(got, want)
        allowed = self.tolerance.gradient * float(np.linalg.norm(want))
        self._tensor(report, "gradient", 1, got, want, allowed)

    def weights(self, report: TensorReport, initial: np.ndarray, got: np.ndarray, want: np.ndarray, steps: int) -> None:
        """One tensor after ``steps`` steps that began with ``initial``."""
        change, size = float(np.linalg.norm(want - initial)), float(np.linalg.norm(want))
        rounding = self.tolerance.rounding(report.dtype) * max(size, float(np.linalg.norm(initial)))
        report.weights = distance(got - initial, want - initial)
        report.change = change / size if size else 0.0
        report.allowed = self.tolerance.change + (rounding / change if change else 0.0)
        self._tensor(report, "weights", steps, got, want, self.tolerance.change * change + rounding)
        self._largest(got - want)

    def _tensor(
        self, report: TensorReport, what: str, step: int, got: np.ndarray, want: np.ndarray, allowed: float
    ) -> None:
        wrong = wrong_elements(got, want, allowed)
        count = int(np.count_nonzero(wrong))
        report.mismatches += count
        self.tensors[report.name] = report
        if count:
            off = np.abs(got - want)
            at = int(np.argmax(np.where(np.isfinite(off), off, np.inf)))  # the worst element of the first tensor
            place = {"what": what, "step": step, "tensor": report.name, "index": at}
            layer = {"name": report.layer, "op": report.op, "role": report.role}
            self._first({**place, "layer": layer}, got.reshape(-1)[at], want.reshape(-1)[at])
        self._count(wrong)

    def _largest(self, difference: np.ndarray) -> None:
        finite = difference[np.isfinite(difference)]
        self.max_abs_diff = max(self.max_abs_diff, float(np.abs(finite).max(initial=0.0)))

    def _first(self, place: dict[str, Any], got: float, want: float) -> None:
        if self.first is None:
            self.first = {**place, "got": float(got), "expected": float(want)}

    def _count(self, wrong: np.ndarray) -> None:
        self.elements += int(wrong.size)
        self.mismatches += int(np.count_nonzero(wrong))


def reports(graph: Graph, names: Sequence[str]) -> list[TensorReport]:
    """A report per trained tensor, in the order of a backward pass: the last layer first."""
    owners = {p.variable: p for p in parts(graph).values() if p.variable}
    types = {op.name: op.type for op in graph.ops}
    tensors = [graph.tensors[n] for n in reversed(names)]
    return [
        TensorReport(
            t.name, owners[t.name].layer, types[owners[t.name].layer], owners[t.name].role, t.elements, t.dtype
        )
        for t in tensors
    ]
