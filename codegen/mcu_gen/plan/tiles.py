"""Which rows and columns of every tensor a segment computes, and when: backwards from tiles of its output.

Rows and columns are independent of each other.  Along an axis a :class:`Reach` knows for each output position the
input positions that it needs.  Columns are propagated tile by tile.  Rows are either propagated the same way
(shared rows are computed again) or scheduled: every row of every tensor gets the step in which it is computed, the
latest one that its consumers allow at a bounded number of rows per step.  So line buffers fill and drain evenly, and
a layer above two strides of 2 computes one row per step while the layer below them computes one every fourth step.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from mcu_gen.graph import Node, operator
from mcu_gen.graph.region import Span

#: Later than any step.
NEVER = 1 << 40


@dataclass(frozen=True)
class Reach:
    """Needs of an operator along an axis: the output positions [a, b) need the inputs [lo[a], hi[b - 1]), maybe none.

    Both arrays are int64 [output size] and do not descend.
    """

    lo: np.ndarray
    hi: np.ndarray
    #: input positions per output position, away from the borders
    rate: Fraction


def identity(size: int) -> Reach:
    """Every position needs the one at its place."""
    at = np.arange(size, dtype=np.int64)
    return Reach(at, at + 1, Fraction(1))


def reach(node: Node, index: int, axis: int) -> Reach | None:
    """What input ``index`` contributes along ``axis``; None where the operator cannot be tiled along it."""
    impl = operator(node.type)
    size, in_size = node.y.shape[axis], node.input(index).shape[axis]
    spans: list[Span] = []
    for r in range(size):
        span = impl.input_span(node, index, axis, Span(r, r + 1))
        if span is None:
            return None
        spans.append(span)
    lo = np.array([s.lo for s in spans], np.int64)
    hi = np.array([s.hi for s in spans], np.int64)
    empty = lo >= hi
    # positions that need nothing take part in no minimum and no maximum
    lo = np.minimum.accumulate(np.where(empty, in_size, lo)[::-1])[::-1]
    hi = np.maximum.accumulate(np.where(empty, 0, hi))
    filled = [s for s in spans if len(s)]
    if any(b.lo < a.lo or b.hi < a.hi for a, b in pairwise(filled)):
        return None  # runs backwards
    inner = [r for r, s in enumerate(spans) if s.lo > 0 and s.hi < in_size and len(s)]
    if len(inner) > 1:
        rate = Fraction(int(lo[inner[-1]] - lo[inner[0]]), inner[-1] - inner[0])
    else:
        rate = Fraction(max(1, round(in_size / size)) if in_size >= size else Fraction(in_size, size))
    return Reach(lo, hi, rate or Fraction(1, size))


@dataclass(frozen=True)
class Rows:
    """Rows of a tensor in memory step by step, [lo, hi); those below the ``hi`` of the step before are kept from it."""

    lo: np.ndarray
    hi: np.ndarray

    def fresh(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows computed at every time, [from, to); empty where both are equal."""
        before = np.concatenate([[0], self.hi[:-1]])
        return np.minimum(np.maximum(self.lo, before), self.hi), self.hi


def latest(deadline: np.ndarray, rate: Fraction) -> np.ndarray:
    """The latest times of rows with the given deadlines, in order and at most ``rate`` rows per step.

    A rate below 1 leaves 1 / rate steps between rows.  ``deadline`` does not descend; int64 [rows].
    """
    cap = max(1, -(-rate.numerator // rate.denominator))
    period = max(1, rate.denominator // rate.numerator)
    times = deadline.copy()
    for offset in range(min(cap, len(times))):
        part = times[offset::cap]
        steps = np.arange(len(part), dtype=np.int64) * period
        times[offset::cap] = np.minimum.accumulate((part - steps)[::-1])[::-1] + steps
    ordered: np.ndarray = np.minimum.accumulate(times[::-1])[::-1]
    return ordered


def deadlines(rows: int, consumers: list[tuple[Reach, np.ndarray]]) -> np.ndarray:
    """Time by which every row is needed, NEVER for rows that nobody needs below the last needed one; int64 [rows].

    ``consumers`` are the needs of those who read the tensor and the times at which they compute their rows.
    """
    due = np.full(rows, NEVER, np.int64)
    for needs, times in consumers:
        first = np.searchsorted(needs.hi, np.arange(rows), side="right")
        reached = first < len(times)
        due[reached] = np.minimum(due[reached], times[first[reached]])
    ordered: np.ndarray = np.minimum.accumulate(due[::-1])[::-1]
    return ordered


def in_memory(times: np.ndarray, consumers: list[tuple[Reach, Rows]], start: int, count: int) -> Rows:
    """Rows in memory at ``count`` times from ``start`` on: from the lowest one still needed to the last one computed.

    Args:
        times: when each row is computed (NEVER: not at all), ascending.
        consumers: needs and schedule of those who read the tensor; the schedules cover the same times.
    """
    hi = np.searchsorted(times, np.arange(start, start + count), side="right").astype(np.int64)
    lo = np.full(count, NEVER, np.int64)
    for needs, rows in consumers:
        a, b = rows.fresh()
        runs = b > a
        lo[runs] = np.minimum(lo[runs], needs.lo[a[runs]])
    lo = np.minimum.accumulate(lo[::-1])[::-1]
    return Rows(np.minimum(lo, hi), hi)


def propagate(
    consumers: list[tuple[Reach, np.ndarray, np.ndarray]], count: int, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions [lo, hi) of a tensor that the parts [lo, hi) of its readers need, part by part (int64 [count] each).

    Neither descends: a part that needs nothing gets the empty range at the beginning of the next one that does.
    """
    lo, hi = np.full(count, size, np.int64), np.zeros(count, np.int64)
    for needs, a, b in consumers:
        runs = np.flatnonzero(b > a)
        if not len(runs):
            continue
        low, high = needs.lo[a[runs]], needs.hi[b[runs] - 1]
        some = high > low
        lo[runs[some]] = np.minimum(lo[runs[some]], low[some])
        hi[runs[some]] = np.maximum(hi[runs[some]], high[some])
    empty = hi <= lo
    lo[empty] = hi.max(initial=0)
    lo = np.minimum.accumulate(lo[::-1])[::-1]
    return lo, np.where(empty, lo, hi)
