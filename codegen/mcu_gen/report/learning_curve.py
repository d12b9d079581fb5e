"""The learning curve of a training run as SVG: the loss, and below it how often predictions were right."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_WIDTH = 760
_LEFT, _RIGHT, _TOP = 62, 96, 26
_LOSS, _RIGHT_SHARE, _GAP, _BOTTOM = 170, 100, 36, 44

#: Predictions are averaged over this part of the run.
_WINDOWS = 15

#: Ratio of the largest to the smallest loss from which on the scale is logarithmic.
_LOGARITHMIC = 20.0


class _Loss:
    """From losses to user units."""

    def __init__(self, curve: Sequence[Mapping[str, Any]]) -> None:
        means = [p["loss"] for p in curve if p["loss"] is not None]
        lows, highs = ([p[k] for p in curve if p[k] is not None] for k in ("low", "high"))
        self.logarithmic = min(means) > 0 and max(means) / min(means) >= _LOGARITHMIC
        floor = min(means) / 3 if self.logarithmic else 0.0
        self.low = max(min(lows), floor) if self.logarithmic else min(0.0, *lows)
        self.high = max(max(means) * 1.3, min(max(highs), max(means) * 4), self.low * 1.5 + 1e-12)

    def _height(self, loss: float) -> float:
        return math.log(max(loss, self.low)) if self.logarithmic else loss

    def y(self, loss: float) -> float:
        low, high = self._height(self.low), self._height(self.high)
        part = (self._height(min(max(loss, self.low), self.high)) - low) / (high - low)
        return _TOP + _LOSS * (1 - part)

    def marks(self) -> list[float]:
        """Round numbers on the axis: powers of ten, or about four equal steps."""
        if self.logarithmic:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            found = [10.0**e for e in range(first, last + 1, 1 + (last - first) // 6)]
            return found if len(found) > 1 else [self.low, self.high]
        step = 10.0 ** math.floor(math.log10(self.high / 2))
        step *= next(f for f in (1, 2, 5, 10) if self.high / (f * step) <= 5)
        return [k * step for k in range(math.floor(self.high / step) + 1)]


def _x(step: float, steps: int) -> float:
    return _LEFT + (step - 1) / max(steps - 1, 1) * (_WIDTH - _LEFT - _RIGHT)


def _grid(y: float, text: str) -> str:
    return (
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="axis" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
    )


def _line(points: Sequence[tuple[float, float]], kind: str) -> str:
    path = " ".join(f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(points))
    return f'<path class="{kind}" d="{path}"/>'


def _steps_axis(steps: int, base: float) -> list[str]:
    every = max(1, round(steps / 6))
    magnitude = 10 ** math.floor(math.log10(every))
    every = next(f * magnitude for f in (1, 2, 5, 10) if f * magnitude >= every)
    marks = [1, *range(every, steps + 1, every)] if every > 1 else list(range(1, steps + 1))
    parts = [
        f'<text class="axis" x="{_x(m, steps):.1f}" y="{base + 17:.1f}" text-anchor="middle">{m:,}</text>'
        for m in marks
        if m == 1 or _x(m, steps) - _x(1, steps) > 30
    ]
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    return [*parts, f'<text class="axis" x="{middle}" y="{base + 35:.1f}" text-anchor="middle">training steps</text>']


def _title(point: Mapping[str, Any], before: int) -> str:
    where = f"step {point['step']:,}" if point["step"] == before + 1 else f"steps {before + 1:,} to {point['step']:,}"
    loss = "no finite loss" if point["loss"] is None else f"loss {point['loss']:.4g}"
    spread = "" if point["loss"] is None or point["low"] == point["high"] else (
        f" ({point['low']:.3g} to {point['high']:.3g})"
    )  # fmt: skip
    right = "" if point["right"] is None else f"\n{point['right']:.1%} of the predictions right, before their update"
    return f"{where}: {loss}{spread}{right}"


def _share(run: Mapping[str, Any], places: Sequence[tuple[Mapping[str, Any], float]], top: float) -> list[str]:
    """The lower panel: predictions that were right, and the accuracy before and after."""

    def y(share: float) -> float:
        return top + _RIGHT_SHARE * (1 - share)

    parts = [_grid(y(s), f"{100 * s:.0f} %") for s in (0.0, 0.5, 1.0)]
    labels: list[tuple[float, str]] = []
    for key, text in (("accuracy_before", "before"), ("accuracy_after", "after")):
        share = run.get(key)
        if share is not None:
            parts.append(
                f'<line class="level" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(share):.1f}" y2="{y(share):.1f}"/>'
            )
            labels.append((y(share), f"{text} {share:.1%}"))
    if len(labels) == 2 and abs(labels[0][0] - labels[1][0]) < 14:
        down = 1 if labels[0][0] >= labels[1][0] else -1
        middle = (labels[0][0] + labels[1][0]) / 2
        labels = [(middle + 7 * down, labels[0][1]), (middle - 7 * down, labels[1][1])]
    parts += [f'<text class="axis" x="{_WIDTH - _RIGHT + 6}" y="{v + 4:.1f}">{t}</text>' for v, t in labels]
    known = [(p["right"], x) for p, x in places if p["right"] is not None]
    window = max(1, len(known) // _WINDOWS)
    means = [sum(s for s, _ in known[max(0, i + 1 - window) : i + 1]) / min(window, i + 1) for i in range(len(known))]
    parts.append(_line([(x, y(m)) for m, (_, x) in zip(means, known, strict=True)], "share-line"))
    parts.append(_heading("predictions right before their update, moving mean", top))
    return parts


def _heading(text: str, top: float) -> str:
    return f'<text class="axis" x="{_LEFT}" y="{top - 9:.1f}">{text}</text>'


def learning_chart(run: Mapping[str, Any]) -> str:
    """An ``<svg>`` element of a run; empty where no loss was finite.

    Args:
        run: ``training_run`` of ``mcu-gen.json``: ``steps``, ``curve``, ``accuracy_before``, ``accuracy_after``.
    """
    curve, steps = run["curve"], int(run["steps"])
    finite = [p for p in curve if p["loss"] is not None]
    if not finite:
        return ""
    scale = _Loss(curve)
    before = [0, *(int(p["step"]) for p in curve)]
    places = [(p, _x((b + 1 + p["step"]) / 2, steps)) for p, b in zip(curve, before, strict=False)]
    parts = [_grid(scale.y(m), f"{m:.3g}") for m in scale.marks()]
    inside = [(p, x) for p, x in places if p["loss"] is not None]
    band = [(x, scale.y(p["high"])) for p, x in inside] + [(x, scale.y(p["low"])) for p, x in reversed(inside)]
    parts.append(_line(band, "spread"))
    parts.append(_line([(x, scale.y(p["loss"])) for p, x in inside], "loss-line"))
    parts.append(_heading("loss, logarithmic scale" if scale.logarithmic else "loss", _TOP))
    base = float(_TOP + _LOSS)
    classifies = any(p["right"] is not None for p in curve)
    if classifies:
        parts += _share(run, places, base + _GAP)
        base += _GAP + _RIGHT_SHARE
    parts += _steps_axis(steps, base)
    for (point, _), first in zip(places, before, strict=False):
        x, end = _x(first + 1, steps), _x(point["step"], steps)
        parts.append(
            f'<g class="point stretch"><title>{escape(_title(point, first))}</title>'
            f'<rect x="{x:.1f}" y="{_TOP}" width="{max(end - x, 3):.1f}" height="{base - _TOP:.1f}"/></g>'
        )
    label = f"Learning curve: {steps:,} steps, loss {finite[0]['loss']:.3g} to {finite[-1]['loss']:.3g}"
    return (
        f'<svg class="chart learning" viewBox="0 0 {_WIDTH} {base + _BOTTOM:.0f}" role="img" '
        f'xmlns="http://www.w3.org/2000/svg" aria-label="{label}">' + "".join(parts) + "</svg>"
    )
