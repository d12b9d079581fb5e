"""Pictures of the examples as SVG: panels side by side, each with images, curves over all seeds and levels."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np

from mcu_gen.errors import UsageError

#: User units: width of a panel's plot, its height, and the room around it.
_WIDTH, _HEIGHT = 380, 220
_LEFT, _RIGHT, _TITLE, _AXIS, _GAP = 52, 14, 56, 46, 16
_IMAGE = 40

#: Colours that stay apart for eyes that see few of them (Okabe and Ito 2008).
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#777777"

_STYLE = (
    "text{font-family:DejaVu Sans,Verdana,sans-serif;font-size:11px;fill:#333}"
    ".head{font-size:15px;font-weight:bold}.title{font-size:13px;font-weight:bold}"
    ".grid{stroke:#e4e4e4}.level{stroke:#444;stroke-dasharray:5 4}.line{fill:none;stroke-width:2}"
    ".frame{fill:none;stroke:#bbb}.band{stroke:none;opacity:.18}.mark{stroke:#999;stroke-dasharray:2 3}"
)


@dataclass
class Curve:
    """Values of all seeds over a common axis: drawn as their median, and a band from the least to the largest.

    Attributes:
        x: [points].
        y: [seeds, points], percent.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    colour: str = BLUE


@dataclass
class Panel:
    """A plot.

    Attributes:
        levels: values with what they mean, as dashed lines.
        marks: positions on the axis with what happens there.
        images: uint8 [height, width] or [height, width, 3], shown above the plot.
        low: percent at the bottom; the top is 100.
        last: the end of the axis; where it is 0, that of the curves.
    """

    title: str
    axis: str
    curves: Sequence[Curve]
    levels: Sequence[tuple[float, str]] = ()
    marks: Sequence[tuple[float, str]] = ()
    images: Sequence[np.ndarray] = field(default_factory=list)
    low: float = 0.0
    last: float = 0.0


def write(path: Path, title: str, panels: Sequence[Panel]) -> None:
    """Writes a picture.

    Raises:
        UsageError: it cannot be written.
    """
    images = _IMAGE + 10 if any(len(p.images) for p in panels) else 0
    width = len(panels) * (_LEFT + _WIDTH + _RIGHT) + (len(panels) - 1) * _GAP
    height = 34 + _TITLE + images + _HEIGHT + _AXIS
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text class="head" x="{_LEFT}" y="24">{escape(title)}</text>',
    ]
    for i, panel in enumerate(panels):
        parts.append(f'<g transform="translate({i * (_LEFT + _WIDTH + _RIGHT + _GAP) + _LEFT} 34)">')
        parts += _panel(panel, _TITLE + images)
        parts.append("</g>")
    try:
        path.write_text("\n".join([*parts, "</svg>", ""]), "utf-8")
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror or error}", where=str(path)) from None


def _panel(panel: Panel, top: int) -> list[str]:
    parts = [f'<text class="title" x="0" y="18">{escape(panel.title)}</text>']
    at = 0.0
    for curve in panel.curves:
        parts.append(f'<rect x="{at:.0f}" y="31" width="12" height="4" fill="{curve.colour}"/>')
        parts.append(f'<text x="{at + 17:.0f}" y="38">{escape(curve.name)}</text>')
        at += 34 + 6.4 * len(curve.name)
    for i, image in enumerate(panel.images):
        parts.append(
            f'<image x="{i * (_IMAGE + 5)}" y="{_TITLE - 6}" width="{_IMAGE}" height="{_IMAGE}" '
            f'style="image-rendering:pixelated" href="{_png(image)}"/>'
            f'<rect class="frame" x="{i * (_IMAGE + 5)}" y="{_TITLE - 6}" width="{_IMAGE}" height="{_IMAGE}"/>'
        )
    last = panel.last or max(float(c.x[-1]) for c in panel.curves)

    def x(value: float) -> float:
        return value / last * _WIDTH

    def y(percent: float) -> float:
        return top + _HEIGHT * (1 - (max(percent, panel.low) - panel.low) / (100 - panel.low))

    step = 20 if panel.low < 50 else 10 if panel.low < 80 else 5
    for mark in range(math.ceil(panel.low / step) * step, 101, step):
        parts.append(f'<line class="grid" x1="0" x2="{_WIDTH}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"/>')
        parts.append(f'<text x="-8" y="{y(mark) + 4:.1f}" text-anchor="end">{mark} %</text>')
    for value in _round_steps(last):
        at = min(x(value), _WIDTH - 6)
        parts.append(f'<text x="{at:.1f}" y="{top + _HEIGHT + 17}" text-anchor="middle">{value:,.6g}</text>')
    parts.append(f'<text x="{_WIDTH / 2}" y="{top + _HEIGHT + 36}" text-anchor="middle">{escape(panel.axis)}</text>')
    for value, text in panel.marks:
        parts.append(f'<line class="mark" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{top}" y2="{top + _HEIGHT}"/>')
        parts.append(f'<text x="{x(value) + 4:.1f}" y="{top + _HEIGHT - 6}">{escape(text)}</text>')
    for curve in panel.curves:
        low, middle, high = (np.percentile(curve.y, q, axis=0) for q in (0, 50, 100))
        around = [*zip(curve.x, high, strict=True), *zip(curve.x[::-1], low[::-1], strict=True)]
        parts.append(f'<path class="band" fill="{curve.colour}" d="{_path(around, x, y)}Z"/>')
        points = list(zip(curve.x, middle, strict=True))
        parts.append(f'<path class="line" stroke="{curve.colour}" d="{_path(points, x, y)}"/>')
    for value, text in panel.levels:
        parts.append(f'<line class="level" x1="0" x2="{_WIDTH}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text x="{_WIDTH - 4}" y="{y(value) + 14:.1f}" text-anchor="end">{escape(text)}</text>')
    return parts


def _path(points: Sequence[tuple[float, float]], x: Callable[[float], float], y: Callable[[float], float]) -> str:
    return " ".join(f"{'L' if i else 'M'}{x(px):.1f} {y(py):.1f}" for i, (px, py) in enumerate(points))


def _round_steps(last: float) -> list[float]:
    """Round numbers from zero on, about five of them; ``last`` is more than 0."""
    power = 10.0 ** (math.floor(math.log10(last)) - 1)
    step = next(f * power for f in (1, 2, 5, 10, 20) if last / (f * power) <= 6.5)
    return [i * step for i in range(math.floor(last / step) + 1)]


def _png(image: np.ndarray) -> str:
    """A data URI with ``image`` as PNG."""
    height, width = image.shape[:2]
    rows = b"".join(b"\0" + np.ascontiguousarray(row).tobytes() for row in image.astype(np.uint8))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2 if image.ndim == 3 else 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(data).decode()
