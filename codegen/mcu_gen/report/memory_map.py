"""The memory map as SVG: address against time, one box per buffer of the arena."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

#: Drawing area, in user units; the picture scales to the width of the page.
_WIDTH, _HEIGHT = 960, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 14, 18, 44
_TICKS = 5
_CHAR_WIDTH = 6.7  # of the labels, in user units
_LABEL_HEIGHT = 13.0
_MIN_HEIGHT = 3.0  # of a box, so that ten bytes can still be pointed at

#: A limit that would leave less than this part of the height to the buffers is not drawn to scale.
_MIN_FILL = 0.5


@dataclass(frozen=True)
class Line:
    """A horizontal line at an address: a limit, or what somebody else needs."""

    bytes: int
    label: str
    kind: str  # "limit" | "peer"


def nice_step(span: int, ticks: int) -> int:
    """A round number of bytes (1, 2 or 4 times a power of two) that divides ``span`` into about ``ticks`` parts."""
    if span <= ticks:
        return 1
    return int(2 ** round(math.log2(span / ticks)))


def axis_label(count: int, step: int) -> str:
    """An address on an axis whose marks are ``step`` bytes apart."""
    if step >= 1024:
        value = count / 1024
        return f"{value:.0f} KiB" if value == int(value) else f"{value:.1f} KiB"
    return f"{count:,} B"


def _label(name: str, count: int, room: float) -> tuple[str, str]:
    """What fits into ``room`` user units: ``(name, bytes)``, the name alone, or the bytes alone; never half a word."""
    size = f"{count:,} B"
    first = name.split(";")[0]
    for text in (first, "/".join(first.split("/")[-2:]), first.split("/")[-1]):
        if (len(text) + len(size) + 1) * _CHAR_WIDTH <= room:
            return text, size
    for text in (first, first.split("/")[-1]):
        if len(text) * _CHAR_WIDTH <= room:
            return text, ""
    return ("", size) if len(size) * _CHAR_WIDTH <= room else ("", "")


class _Scale:
    """From bytes and steps to user units; addresses grow upwards."""

    def __init__(self, top_bytes: int, steps: int) -> None:
        self.top_bytes, self.steps = max(top_bytes, 1), steps

    def x(self, step: float) -> float:
        """Left edge of a step; -1 is the time before the first, ``steps`` the time after the last."""
        return _LEFT + (step + 1) / (self.steps + 2) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, address: int) -> float:
        return _HEIGHT - _BOTTOM - address / self.top_bytes * (_HEIGHT - _TOP - _BOTTOM)


@dataclass(frozen=True)
class _Rect:
    """A rectangle in user units."""

    x: float
    y: float
    width: float
    height: float

    def meets(self, other: _Rect) -> bool:
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


def _rect(scale: _Scale, buffer: Mapping[str, Any]) -> _Rect:
    x, y = scale.x(buffer["first"]), scale.y(buffer["offset"] + buffer["bytes"])
    bottom = scale.y(buffer["offset"])
    height = max(bottom - y, _MIN_HEIGHT)
    return _Rect(x, bottom - height, max(scale.x(buffer["last"] + 1) - x, 1.0), height)


def _place(box: _Rect, width: float, others: Sequence[_Rect], labels: Sequence[_Rect]) -> _Rect | None:
    """Where in ``box`` a label of ``width`` is read best: clear of other labels, and of other boxes if possible."""
    best: tuple[int, _Rect] | None = None
    for fx in (0.0, 0.5, 1.0):
        for fy in (0.5, 0.1, 0.9, 0.3, 0.7):
            spot = _Rect(
                box.x + 4 + fx * (box.width - 8 - width),
                box.y + fy * (box.height - _LABEL_HEIGHT),
                width,
                _LABEL_HEIGHT,
            )
            if any(spot.meets(label) for label in labels):
                continue
            covered = sum(spot.meets(other) for other in others)
            if best is None or covered < best[0]:
                best = (covered, spot)
    return best[1] if best is not None else None


#: Kinds of buffers in words.
_WHAT = {
    "patch": "patch: the part of the tensor that a tile needs",
    "halo": "line buffer: rows kept for the next tile",
    "side": "columns kept for the next tile",
    "streamed": "input pushed row by row: rows that wait",
    "state": "how many rows have come",
    "gradient": "gradient of the loss with respect to an activation",
}


def _bands(scale: _Scale, plan: Mapping[str, Any]) -> list[str]:
    """A background band per fused segment."""
    parts = []
    for number, s in enumerate(plan["fusion"], 1):
        x, end = scale.x(s["first"]), scale.x(s["last"] + 1)
        bottom = _HEIGHT - _BOTTOM
        title = f"segment {number}: layers {s['first']} to {s['last']} in {s['n_y']}×{s['n_x']} tiles"
        parts.append(
            f'<g class="band"><title>{title}</title>'
            f'<rect x="{x:.1f}" y="{_TOP}" width="{end - x:.1f}" height="{bottom - _TOP}"/></g>'
        )
        text = next((t for t in (f"segment {number}", str(number)) if len(t) * _CHAR_WIDTH <= end - x), "")
        parts.append(
            f'<text class="band-label" x="{(x + end) / 2:.1f}" y="{_TOP - 4}" text-anchor="middle">{text}</text>'
        )
    return parts


def _phases(scale: _Scale, plan: Mapping[str, Any]) -> list[str]:
    """Where the forward pass of a training step ends: a line, and what lies on both sides of it."""
    steps = plan["steps"]
    first = next((s["index"] for s in steps if s.get("part", "forward") != "forward"), None)
    if first is None:
        return []
    x, bottom = scale.x(first), _HEIGHT - _BOTTOM
    parts = [f'<line class="phase-line" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 12}" y2="{bottom}"/>']
    for end, anchor, text in ((x - 6, "end", "forward pass"), (x + 6, "start", "loss, gradients, updates")):
        room = x - _LEFT if anchor == "end" else _WIDTH - _RIGHT - x
        if len(text) * _CHAR_WIDTH + 6 <= room:
            parts.append(f'<text class="band-label" x="{end:.1f}" y="{_TOP - 4}" text-anchor="{anchor}">{text}</text>')
    return parts


def _title(buffer: Mapping[str, Any], aliases: Sequence[str], layers: Sequence[str]) -> str:
    """What a box holds, from when to when: shown when the pointer rests on it."""

    def at(step: int) -> str:
        if step < 0:
            return "before the first layer"
        return f"layer {step} ({layers[step]})" if step < len(layers) else "after the last layer"

    also = f"\nshared with {', '.join(aliases)}" if aliases else ""
    what = _WHAT.get(buffer["kind"], buffer["kind"])
    return (
        f"{buffer['name']}\n{what}, {buffer['bytes']:,} B at offset {buffer['offset']:,}\n"
        f"from {at(buffer['first'])}\nto {at(buffer['last'])}{also}"
    )


def kind_of(plan: Mapping[str, Any], buffer: Mapping[str, Any]) -> str:
    """The kind of a buffer as the picture tells them apart: inputs that are pushed, and gradients, have their own."""
    if buffer["kind"] == "input" and buffer["name"] in {s["streamed"] for s in plan["fusion"]}:
        return "streamed"
    made = (n for s in plan["steps"] if s.get("part") in ("loss", "input_gradient") for n in s["outputs"])
    return "gradient" if buffer["kind"] == "tensor" and buffer["name"] in set(made) else str(buffer["kind"])


def _boxes(scale: _Scale, plan: Mapping[str, Any], layers: Sequence[str]) -> list[str]:
    """All buffers, and above them their labels."""
    aliases: dict[str, list[str]] = {}
    for t in plan["tensors"]:
        if t.get("alias_of"):
            aliases.setdefault(str(t["alias_of"]), []).append(str(t["name"]))
    buffers = [{**t, "kind": kind_of(plan, t)} for t in plan["tensors"] if not t.get("alias_of")]
    rects = [_rect(scale, t) for t in buffers]
    parts = []
    for buffer, r in zip(buffers, rects, strict=True):
        title = escape(_title(buffer, aliases.get(str(buffer["name"]), []), layers))
        parts.append(
            f'<g class="buffer {escape(buffer["kind"])}" tabindex="0"><title>{title}</title>'
            f'<rect x="{r.x:.1f}" y="{r.y:.1f}" width="{r.width:.1f}" height="{r.height:.1f}" rx="2"/></g>'
        )
    labels: list[_Rect] = []
    for buffer, r in zip(buffers, rects, strict=True):
        text = "scratch" if buffer["kind"] == "scratch" else str(buffer["name"])
        text = text.split(";")[0].removesuffix(".grad") + " gradient" if buffer["kind"] == "gradient" else text
        name, size = _label(text, int(buffer["bytes"]), r.width - 8)
        if r.height < _LABEL_HEIGHT or not (name or size):
            continue
        width = (len(name) + len(size) + (1 if name and size else 0)) * _CHAR_WIDTH
        spot = _place(r, width, [o for o in rects if o is not r], labels)
        if spot is None:
            continue
        labels.append(spot)
        gap = ' dx="6"' if name and size else ""
        span = f'<tspan class="size"{gap}>{size}</tspan>' if size else ""
        parts.append(f'<text class="label" x="{spot.x:.1f}" y="{spot.y + 10:.1f}">{escape(name)}{span}</text>')
    return parts


def _horizontal(scale: _Scale, line: Line) -> str:
    """A line with its label: above it, or below it where there is no room above; on the left, where a phone begins."""
    y = scale.y(line.bytes)
    text_y = y - 5 if y > _TOP + 14 else y + 14
    return (
        f'<g class="{line.kind}"><line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{_LEFT + 4}" y="{text_y:.1f}">{escape(line.label)}</text></g>'
    )


def _axes(scale: _Scale, layers: Sequence[str], *, learns: bool = False) -> list[str]:
    parts = []
    step = nice_step(scale.top_bytes, _TICKS)
    for address in range(0, scale.top_bytes + 1, step):
        y = scale.y(address)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="axis" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{axis_label(address, step)}</text>'
        )
    base = _HEIGHT - _BOTTOM
    every = max(1, math.ceil(len(layers) / 24))
    for index, name in enumerate(layers):
        if index % every == 0:
            middle = (scale.x(index) + scale.x(index + 1)) / 2
            parts.append(
                f'<text class="axis" x="{middle:.1f}" y="{base + 16}" text-anchor="middle">{index}'
                f"<title>{escape(name)}</title></text>"
            )
    for step_index, text in ((-1, "in"), (len(layers), "out")):
        middle = (scale.x(step_index) + scale.x(step_index + 1)) / 2
        parts.append(f'<text class="axis" x="{middle:.1f}" y="{base + 16}" text-anchor="middle">{text}</text>')
    parts.append(
        f'<text class="axis" x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{base + 34}" text-anchor="middle">'
        f"time: {'steps' if learns else 'layers'} in execution order</text>"
    )
    return parts


def memory_map(plan: Mapping[str, Any], lines: Sequence[Line] = ()) -> str:
    """An ``<svg>`` element that shows a plan.

    Args:
        plan: the data of the verb ``plan``: ``arena_bytes``, ``steps`` and ``tensors`` with ``offset``, ``bytes``,
            ``first``, ``last``.
        lines: limits and comparisons, in bytes of arena.  One so high that the buffers could not be read is left out of
            the picture; the caption says where it lies.

    The element uses CSS classes and variables and no colours of its own; :func:`style` gives both.
    """
    layers = [str(s["layer"]) for s in plan["steps"]]
    arena = int(plan["arena_bytes"])
    drawn = [line for line in lines if line.bytes * _MIN_FILL <= arena]
    scale = _Scale(math.ceil(max([arena, *(line.bytes for line in drawn)]) * 1.04), len(layers))
    parts = [
        *_bands(scale, plan),
        *_phases(scale, plan),
        *_axes(scale, layers, learns=bool(plan.get("training"))),
        *_boxes(scale, plan, layers),
        *(_horizontal(scale, line) for line in drawn),
    ]
    return (
        f'<svg class="memory-map" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" xmlns="http://www.w3.org/2000/svg" '
        f'aria-label="Memory map: {len(plan["tensors"])} buffers, {arena:,} bytes, {len(layers)} layers">'
        + "".join(parts)
        + "</svg>"
    )


def off_scale(plan: Mapping[str, Any], lines: Sequence[Line]) -> list[Line]:
    """The lines that :func:`memory_map` leaves out because they lie far above the arena."""
    return [line for line in lines if line.bytes * _MIN_FILL > int(plan["arena_bytes"])]
