"""The graph of a plan as SVG: layers in execution order, their connections, and brackets around fused segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mcu_gen.report.names import short_name

_WIDTH, _ROW, _TOP = 700, 22, 8
_DOT, _NAME, _SHAPE, _BRACKET = 66, 84, 488, 500
_NAME_CHARS = 40

#: What a segment does with the rows that two tiles share.
FORMS = {
    "rows": "rows, shared ones kept",
    "tiles": "tiles, shared rows kept",
    "patches": "patches, shared parts computed again",
}


def _y(row: int) -> float:
    return _TOP + row * _ROW + _ROW / 2


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start", title: str = "") -> str:
    tip = f"<title>{escape(title)}</title>" if title else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}">{escape(text)}{tip}</text>'


def _edges(plan: Mapping[str, Any], inputs: Sequence[str]) -> list[tuple[int, int]]:
    """Connections as pairs of rows; row 0 holds the inputs, row i + 1 the step i."""
    storage = {t["name"]: t["alias_of"] for t in plan["tensors"] if t.get("alias_of")}
    made = {storage.get(name, name): 0 for name in inputs}
    found = []
    for step in plan["steps"]:
        row = int(step["index"]) + 1
        sources = {made[storage.get(n, n)] for n in step["inputs"] if storage.get(n, n) in made}
        found += [(source, row) for source in sorted(sources)]
        made.update({storage.get(n, n): row for n in step["outputs"]})
    return found


def _edge(first: int, last: int) -> str:
    y0, y1 = _y(first), _y(last)
    if last == first + 1:
        return f'<line class="edge" x1="{_DOT}" x2="{_DOT}" y1="{y0:.1f}" y2="{y1:.1f}"/>'
    bulge = min(14 + 7 * (last - first), _DOT - 6)
    path = f"M{_DOT} {y0:.1f}C{_DOT - bulge} {y0 + _ROW:.1f} {_DOT - bulge} {y1 - _ROW:.1f} {_DOT} {y1:.1f}"
    return f'<path class="edge" d="{path}"/>'


def segment_lines(segment: Mapping[str, Any]) -> list[str]:
    """What a bracket says: form, tiles, price."""
    lines = [FORMS[segment["form"]].split(",")[0] + f" of {segment['tile_h']}×{segment['tile_w']}"]
    lines[0] += f", {segment['n_y']}×{segment['n_x']} steps"
    if segment["streamed"]:
        lines.append("input pushed row by row")
    if segment["extra_macs"]:
        base = segment["macs"] - segment["extra_macs"]
        lines.append(f"+{100 * segment['extra_macs'] / max(base, 1):.1f} % MACs")
    elif segment["keep_rows"]:
        lines.append("nothing computed twice")
    return lines


def _bracket(number: int, segment: Mapping[str, Any]) -> str:
    first, last = int(segment["first"]) + 1, int(segment["last"]) + 1
    top, bottom = _y(first) - _ROW / 2 + 2, _y(last) + _ROW / 2 - 2
    parts = [
        f'<rect class="band" x="2" y="{top:.1f}" width="{_WIDTH - 4}" height="{bottom - top:.1f}" rx="6"/>',
        f'<path class="bracket" d="M{_BRACKET - 4} {top + 2:.1f}h6V{bottom - 2:.1f}h-6"/>',
    ]
    lines = segment_lines(segment)[: last - first + 1]
    start = (_y(first) + _y(last)) / 2 - (len(lines) - 1) * 8
    for k, line in enumerate(lines):
        text = f"{number}: {line}" if k == 0 else line
        parts.append(_text(_BRACKET + 10, start + 16 * k, text, "bracket-label"))
    return "".join(parts)


def schedule_chart(
    plan: Mapping[str, Any], layers: Sequence[Mapping[str, Any]], inputs: Sequence[Mapping[str, Any]]
) -> str:
    """An ``<svg>`` element: the steps of a plan from top to bottom.

    Args:
        plan: the data of the verb ``plan``.
        layers: records of ``mcu-gen.json`` with ``index``, ``output_shape`` and ``output_dtype``.
        inputs: its input tensors with ``name``, ``shape`` and ``dtype``.
    """
    shapes = {layer["index"]: layer for layer in layers}
    rows = len(plan["steps"]) + 1
    height = _TOP * 2 + rows * _ROW
    parts = [_bracket(number, s) for number, s in enumerate(plan["fusion"], 1)]
    parts += [_edge(a, b) for a, b in _edges(plan, [str(t["name"]) for t in inputs])]
    text = ", ".join(short_name(str(t["name"]), _NAME_CHARS // max(len(inputs), 1)) for t in inputs)
    shape = " ".join(f"{'×'.join(map(str, t['shape']))} {t['dtype']}" for t in inputs[:1])
    parts.append(f'<circle class="dot input" cx="{_DOT}" cy="{_y(0):.1f}" r="5"/>')
    parts += [_text(_NAME, _y(0), text, "layer"), _text(_SHAPE, _y(0), shape, "shape", "end")]
    for step in plan["steps"]:
        index = int(step["index"])
        y = _y(index + 1)
        layer = shapes[index]
        shape = f"{'×'.join(map(str, layer['output_shape'])) or '1'} {layer['output_dtype']}"
        name = str(step["layer"])
        parts.append(f'<circle class="dot" cx="{_DOT}" cy="{y:.1f}" r="4"/>')
        parts.append(
            _text(_NAME, y, f"{index} {short_name(name, _NAME_CHARS)}", "layer", title=f"{name} ({step['op']})")
        )
        parts.append(_text(_SHAPE, y, shape, "shape", "end"))
    label = f"Graph: {len(plan['steps'])} layers, {len(plan['fusion'])} fused segments"
    return (
        f'<svg class="schedule" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" xmlns="http://www.w3.org/2000/svg" '
        f'aria-label="{label}">' + "".join(parts) + "</svg>"
    )


def segment_rows(plan: Mapping[str, Any]) -> list[dict[str, str]]:
    """Rows of the table of segments."""
    rows = []
    for number, s in enumerate(plan["fusion"], 1):
        base = s["macs"] - s["extra_macs"]
        rows.append(
            {
                "number": str(number),
                "layers": f"{s['first']} to {s['last']}" if s["first"] < s["last"] else str(s["first"]),
                "form": FORMS[s["form"]] + (", input pushed row by row" if s["streamed"] else ""),
                "tile": f"{s['tile_h']}×{s['tile_w']}",
                "steps": f"{s['n_y']}×{s['n_x']}",
                "extra": f"{s['extra_macs']:,} (+{100 * s['extra_macs'] / max(base, 1):.1f} %)"
                if s["extra_macs"]
                else "0",
                "copied": f"{s['copied_bytes']:,}",
            }
        )
    return rows
