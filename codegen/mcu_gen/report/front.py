"""The front of RAM against arithmetic as SVG: a point per plan, the chosen one marked, the limit as a line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mcu_gen.report.memory_map import axis_label, nice_step

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 16, 16, 46

#: Marks of the vertical axis, percent; its scale is logarithmic from 1 % on and shows 0.
_MARKS = (0, 1, 3, 10, 30, 100, 300, 1000, 3000)

#: What a point says about the model input.
_INPUT = {
    "keep": "input whole in RAM",
    "quantized": "input pushed row by row, whole once quantized",
    "rows": "input pushed row by row",
}


def _level(percent: float) -> float:
    return math.log10(1 + percent)


class _Scale:
    """From bytes of RAM and percent of extra work to user units."""

    def __init__(self, front: Sequence[Mapping[str, Any]], extra_bytes: Sequence[int]) -> None:
        rams = [*(int(p["ram_bytes"]) for p in front), *extra_bytes]
        span = max(max(rams) - min(rams), 1)
        self.low, self.high = max(0, min(rams) - span // 12), max(rams) + span // 20
        top = max(float(p["macs_overhead_pct"]) for p in front)
        self.marks = [m for m in _MARKS if m == 0 or m <= max(top * 1.8, 1)]
        self.top = _level(max(top, self.marks[-1])) or 1.0

    def x(self, ram: float) -> float:
        return _LEFT + (ram - self.low) / max(self.high - self.low, 1) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, percent: float) -> float:
        return _HEIGHT - _BOTTOM - 10 - _level(percent) / self.top * (_HEIGHT - _TOP - _BOTTOM - 22)


def _axes(scale: _Scale) -> list[str]:
    parts = []
    for mark in scale.marks:
        y = scale.y(mark)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="axis" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">+{mark} %</text>')
    step = nice_step(scale.high - scale.low, 5)
    base = _HEIGHT - _BOTTOM
    for ram in range(-(-scale.low // step) * step, scale.high + 1, step):
        x = scale.x(ram)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{base}" y2="{base + 4}"/>')
        parts.append(
            f'<text class="axis" x="{x:.1f}" y="{base + 17}" text-anchor="middle">{axis_label(ram, step)}</text>'
        )
    parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{base}" y2="{base}"/>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text class="axis" x="{middle}" y="{base + 37}" text-anchor="middle">RAM, stack included</text>')
    return parts


def _point_title(point: Mapping[str, Any]) -> str:
    segments = point["segments"]
    fused = f"{segments} fused segment{'' if segments == 1 else 's'}" if segments else "layer by layer"
    return (
        f"{point['ram_bytes']:,} B of RAM at +{point['macs_overhead_pct']:.2f} % multiply-accumulates\n"
        f"{fused}, {_INPUT[point['input']]}"
    )


def _mark(kind: str, x: float, y: float, title: str) -> str:
    shape = (
        f'<rect x="{x - 6:.1f}" y="{y - 6:.1f}" width="12" height="12" transform="rotate(45 {x:.1f} {y:.1f})"/>'
        if kind == "chosen"
        else f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    )
    return f'<g class="point {kind}" tabindex="0"><title>{escape(title)}</title>{shape}</g>'


def front_chart(plan: Mapping[str, Any]) -> str:
    """An ``<svg>`` element with the front of a plan; empty where the plan has none.

    Args:
        plan: the data of the verb ``plan`` with ``pareto``.
    """
    front = plan.get("pareto") or []
    if not front:
        return ""
    limit = plan.get("max_ram")
    scale = _Scale(front, [plan["ram_bytes"], *([limit] if limit else [])])
    parts = _axes(scale)
    if limit:
        x = scale.x(limit)
        anchor = "end" if x > _WIDTH - 170 else "start"
        parts.append(
            f'<g class="limit"><line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
            f'<text x="{x + (-6 if anchor == "end" else 6):.1f}" y="{_HEIGHT // 2 - 20}" text-anchor="{anchor}">'
            f"limit {limit:,} B</text></g>"
        )
    line = []
    for before, point in zip([None, *front], front, strict=False):
        x, y = scale.x(point["ram_bytes"]), scale.y(point["macs_overhead_pct"])
        if before is not None:  # between two plans nothing is gained before the next one is reached
            line.append(f"H{x:.1f}")
        line.append(f"{'M' if before is None else 'V'}{f'{x:.1f} ' if before is None else ''}{y:.1f}")
    parts.append(f'<path class="front-line" d="{" ".join(line)}"/>')
    for point in front:
        kind = "whole" if point["input"] == "keep" else "pushed"
        parts.append(_mark(kind, scale.x(point["ram_bytes"]), scale.y(point["macs_overhead_pct"]), _point_title(point)))
    x, y = scale.x(plan["ram_bytes"]), scale.y(plan["macs_overhead_pct"])
    text = f"this plan: {plan['ram_bytes']:,} B at +{plan['macs_overhead_pct']:.2f} %"
    parts.append(_mark("chosen", x, y, text))
    anchor = "end" if x > _WIDTH / 2 else "start"
    offset = -12 if anchor == "end" else 12
    text_y = y - 14 if y > _TOP + 34 else y + 22
    parts.append(f'<text class="here" x="{x + offset:.1f}" y="{text_y:.1f}" text-anchor="{anchor}">{text}</text>')
    label = f"{len(front)} plans from {front[-1]['ram_bytes']:,} to {front[0]['ram_bytes']:,} bytes of RAM"
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" xmlns="http://www.w3.org/2000/svg" '
        f'aria-label="{label}">' + "".join(parts) + "</svg>"
    )
