"""Spans of rows or columns: the arithmetic of tiles and their receptive fields."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Span:
    """The half-open range [lo, hi) of rows or columns."""

    lo: int
    hi: int

    def __len__(self) -> int:
        return max(0, self.hi - self.lo)

    def union(self, other: Span) -> Span:
        """The smallest span that holds both; an empty one counts for nothing."""
        if not len(other):
            return self
        if not len(self):
            return other
        return Span(min(self.lo, other.lo), max(self.hi, other.hi))

    def clip(self, size: int) -> Span:
        """Without what lies outside [0, size)."""
        lo = min(max(self.lo, 0), size)
        return Span(lo, max(lo, min(self.hi, size)))


def window_span(out: Span, *, taps: int, stride: int, dilation: int, before: int, size: int) -> Span:
    """Input rows that a sliding window sees for the output rows ``out``.

    Args:
        out: output rows, not empty.
        taps: rows of the filter.
        stride, dilation: in input rows.
        before: padding in front of the first input row (negative: the window starts inside).
        size: input rows.
    """
    lo = out.lo * stride - before
    hi = (out.hi - 1) * stride - before + (taps - 1) * dilation + 1
    return Span(lo, hi).clip(size)
