"""Comparing how a device trains with how TensorFlow does: gradients, losses, weights.

A float32 weight is rounded once per update, by at most half a unit in its last place, 2^-24 of its magnitude; that is
the rule of float32 and no fault, so it is allowed on top of the relative distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mcu_gen.graph import Graph
from mcu_gen.train.phases import parts

#: Largest relative L2 distance of a gradient, of the change of a weight tensor, and of the losses.
TOLERANCE = 1e-5

#: Largest relative error of rounding a float32.
_ROUNDING = 2.0**-24

RULE = (
    f"float32 within a relative L2 distance of {TOLERANCE:g}: losses, gradients, and changes of weights (beyond one "
    "rounding of a weight per step)"
)


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
    gradient: float | None = None
    weights: float = 0.0
    allowed: float = 0.0
    change: float = 0.0
    mismatches: int = 0


@dataclass
class TrainingComparison:
    """Counts over losses, gradients and weights; ``first`` is the first mismatch in the order of a backward pass."""

    elements: int = 0
    mismatches: int = 0
    max_abs_diff: float = 0.0
    first: dict[str, Any] | None = None
    loss_distance: float = 0.0
    tensors: dict[str, TensorReport] = field(default_factory=dict)

    def losses(self, got: np.ndarray, want: np.ndarray, begin: int, end: int) -> None:
        """The losses of the steps from ``begin`` to before ``end``, counted from 0."""
        self.loss_distance = distance(got, want)
        allowed = TOLERANCE * float(np.linalg.norm(want))
        wrong = wrong_elements(got[begin:end], want[begin:end], allowed)
        if wrong.any():
            step = begin + int(np.argmax(wrong))
            self._first({"what": "loss", "step": step + 1, "index": 0}, got[step], want[step])
        self._count(wrong)
        self._largest(got[begin:end] - want[begin:end])

    def gradient(self, report: TensorReport, got: np.ndarray, want: np.ndarray) -> None:
        """The gradient of one tensor in the first update."""
        report.gradient = distance(got, want)
        allowed = TOLERANCE * float(np.linalg.norm(want))
        self._tensor(report, "gradient", 1, got, want, allowed)

    def weights(self, report: TensorReport, initial: np.ndarray, got: np.ndarray, want: np.ndarray, steps: int) -> None:
        """One tensor after ``steps`` steps that began with ``initial``."""
        change, size = float(np.linalg.norm(want - initial)), float(np.linalg.norm(want))
        rounding = steps * _ROUNDING * max(size, float(np.linalg.norm(initial)))
        report.weights = distance(got - initial, want - initial)
        report.change = change / size if size else 0.0
        report.allowed = TOLERANCE + (rounding / change if change else 0.0)
        self._tensor(report, "weights", steps, got, want, TOLERANCE * change + rounding)
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
    return [
        TensorReport(n, owners[n].layer, types[owners[n].layer], owners[n].role, graph.tensors[n].elements)
        for n in reversed(names)
    ]
