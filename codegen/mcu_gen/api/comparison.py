"""Comparing what a device computed with what an oracle says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: A float32 tensor agrees when its relative L2 error is at most this (docs/numerics.md).
FLOAT_TOLERANCE = 1e-5

INTEGER_RULE = "integers bit by bit"
FLOAT_RULE = f"float32 within a relative L2 error of {FLOAT_TOLERANCE:g} per tensor"


def differing(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """A boolean array: which elements count as mismatches.

    Integers must be equal.  A float tensor that agrees in the relative L2 norm has none; in one that does not, the
    elements count that are off by more than their share of the tolerance.  NaN equals NaN, an infinity only itself.
    """
    if got.dtype.kind != "f":
        unequal: np.ndarray = np.asarray(got != want)
        return unequal
    a, b = got.astype(np.float64), want.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    wild: np.ndarray = ~same & ~(np.isfinite(a) & np.isfinite(b))
    with np.errstate(invalid="ignore"):
        error = np.where(same | wild, 0.0, a - b)
    scale = np.sqrt(np.sum(np.where(np.isfinite(b), b, 0.0) ** 2))
    # Around zero a relative error says nothing: the smallest normal number bounds it from below.
    allowed = FLOAT_TOLERANCE * max(scale, float(np.finfo(np.float32).tiny) * 1e8)
    if np.sqrt(np.sum(error**2)) <= allowed:
        return wild
    far: np.ndarray = np.abs(error) > allowed / np.sqrt(max(error.size, 1))
    wrong: np.ndarray = wild | far
    return wrong


@dataclass
class Comparison:
    """Counts over all samples and outputs.

    Attributes:
        elements: how many were compared.
        mismatches: how many differ.
        max_abs_diff: largest absolute difference of two finite values, in units of the tensor.
        first: sample, output, index and both values of the first mismatch.
    """

    samples: int = 0
    elements: int = 0
    mismatches: int = 0
    max_abs_diff: float = 0
    first: dict[str, Any] | None = None
    floats: bool = field(default=False, repr=False)

    @property
    def rule(self) -> str:
        return FLOAT_RULE if self.floats else INTEGER_RULE

    def add(self, sample: int, name: str, got: np.ndarray, want: np.ndarray) -> int:
        """Compares one tensor; returns its number of mismatches.

        Two results of different size or type mismatch in every element.
        """
        if got.dtype != want.dtype or got.size != want.size:
            wrong = np.ones(max(got.size, want.size), bool)
            diff = 0.0
        else:
            got, want = got.reshape(-1), want.reshape(-1)
            wrong = differing(got, want)
            with np.errstate(invalid="ignore"):
                distance = np.abs(got.astype(np.float64) - want.astype(np.float64))
            finite = distance[np.isfinite(distance)]
            diff = float(finite.max()) if finite.size else 0.0
        self.floats |= got.dtype.kind == "f"
        self.elements += wrong.size
        count = int(np.count_nonzero(wrong))
        self.mismatches += count
        self.max_abs_diff = max(self.max_abs_diff, diff)
        if count and self.first is None:
            at = int(np.argmax(wrong))
            values = [a.reshape(-1)[at].item() if at < a.size else None for a in (got, want)]
            self.first = {"sample": sample, "output": name, "index": at, "got": values[0], "expected": values[1]}
        return count


def compare(
    got: Sequence[Sequence[np.ndarray]], want: Sequence[Sequence[np.ndarray]], names: Sequence[str]
) -> Comparison:
    """Compares outputs, per sample the list of arrays in the order of ``names``."""
    found = Comparison(samples=len(got))
    for sample, (ours, theirs) in enumerate(zip(got, want, strict=True)):
        for name, a, b in zip(names, ours, theirs, strict=True):
            found.add(sample, name, a, b)
    return found
