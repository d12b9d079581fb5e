"""The self-contained HTML page of a project: memory map, layers, sizes, comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jinja2

from mcu_gen.report.front import front_chart
from mcu_gen.report.learning import learning, part_name
from mcu_gen.report.memory_map import Line, kind_of, memory_map, off_scale
from mcu_gen.report.names import short_name
from mcu_gen.report.schedule import schedule_chart, segment_rows
from mcu_gen.resources import resource_dir

_KINDS = (
    ("input", "input"),
    ("output", "output"),
    ("tensor", "activation"),
    ("streamed", "input pushed row by row: rows that wait"),
    ("patch", "patch: part of a tensor in a tile"),
    ("halo", "rows kept for the next tile"),
    ("side", "columns kept for the next tile"),
    ("state", "how many rows have come"),
    ("scratch", "scratch of a kernel"),
    ("gradient", "gradient of an activation"),
    ("variable", "state kept between inferences"),
)


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f}" if whole else "0"


def _lines(project: Mapping[str, Any], tflm_arena: int | None) -> list[Line]:
    """Limits and comparisons that the memory map draws, in bytes of arena."""
    plan = project["plan"]
    lines = []
    if plan.get("max_ram"):
        room = plan["max_ram"] - plan["stack_bytes"]
        lines.append(Line(room, f"limit: {room:,} B (--max-ram less the stack)", "limit"))
    elif plan.get("ram_limit_bytes"):
        room = plan["ram_limit_bytes"] - plan["stack_bytes"]
        lines.append(Line(room, f"limit: {room:,} B (RAM of the board less the stack)", "limit"))
    if tflm_arena:
        lines.append(Line(tflm_arena, f"TensorFlow Lite Micro: {tflm_arena:,} B", "peer"))
    return lines


def _layers(project: Mapping[str, Any]) -> dict[str, Any]:
    """Rows of the layer table; the bars show instructions where a profile is known, else MACs."""
    plan = project["plan"]
    shapes = {layer["index"]: layer for layer in project["layers"]}
    learns = bool(plan.get("training"))
    profile = project.get("training_profile" if learns else "profile")
    counts = {p["index"]: p["instructions"] for p in profile["layers"]} if profile else {}
    measure = counts or {index: layer["computed_macs"] for index, layer in shapes.items()}
    largest = max(measure.values(), default=0)
    rows = []
    for step in plan["steps"]:
        index = step["index"]
        macs = shapes[index]["computed_macs"]
        count = counts.get(index)
        rows.append(
            {
                "index": index,
                "name": step["layer"],
                "short": short_name(step.get("of") or step["layer"], 44),
                "op": part_name(step) if learns else step["op"],
                "kernel": step["kernel"],
                "shape": f"{'×'.join(map(str, shapes[index]['output_shape'])) or '1'} {shapes[index]['output_dtype']}",
                "live": f"{step['live_bytes']:,}",
                "macs": f"{macs:,}",
                "instructions": f"{count:,}" if count is not None else "",
                "per_mac": f"{count / macs:.2f}" if count is not None and macs else "",
                "percent": _percent(measure.get(index, 0), largest),
            }
        )
    total = sum(counts.values())
    text = ""
    if profile:
        kind = profile["layers"][0]["kind"] if profile["layers"] else "simulated"
        what = "training step" if learns else "inference"
        text = f"{total:,} instructions per {what} in all, {kind} ({profile.get('on', '')})."
    bar_title, op_title = "instructions" if counts else "MACs", "for" if learns else "operator"
    return {"layers": rows, "instructions": text, "bar_title": bar_title, "op_title": op_title}


def _sizes(project: Mapping[str, Any]) -> list[dict[str, str]]:
    build = project.get("build")
    if not build:
        return []
    rows = [
        ("code", "flash", build["text"]),
        ("weights, tables and other constants", "flash", build["rodata"]),
        ("initialised data", "RAM, and its values in flash", build["data"]),
        ("arena of the network", "RAM", build["arena_bytes"]),
        ("other zeroed data", "RAM", max(0, build["bss"] - build["arena_bytes"])),
        ("reserved stack", "RAM", build["stack_bytes"]),
    ]
    largest = max(r[2] for r in rows)
    return [
        {"what": what, "where": where, "bytes": f"{count:,}", "percent": _percent(count, largest)}
        for what, where, count in rows
    ]


def _comparison(project: Mapping[str, Any], tflm: Mapping[str, Any] | None) -> dict[str, Any]:
    arena = project["plan"]["arena_bytes"]
    if not tflm or not tflm.get("arena_bytes"):
        why = (tflm or {}).get("why") or "the model is not at hand: give it with --model"
        return {"comparison": [], "comparison_note": f"No figure for TensorFlow Lite Micro: {why}."}
    theirs = tflm["arena_bytes"]
    largest = max(arena, theirs)
    rows = [
        {"who": "this project (planned, linked the same)", "kind": "ours", "bytes": f"{arena:,}", "ratio": "1.00",
         "percent": _percent(arena, largest)},
        {"who": f"TensorFlow Lite Micro {tflm.get('version', '')}", "kind": "", "bytes": f"{theirs:,}",
         "ratio": f"{theirs / arena:.2f}" if arena else "", "percent": _percent(theirs, largest)},
    ]  # fmt: skip
    return {"comparison": rows, "comparison_note": tflm["note"]}


def _validation(project: Mapping[str, Any]) -> dict[str, str] | None:
    found = project.get("validation")
    if not found:
        return None
    what = f"{found['samples']:,} samples, {found['elements']:,} output elements"
    head = f"{what}, on {found['on']} against {found['oracle']}: "
    if found["mismatches"] == 0:
        return {"kind": "ok", "text": head + f"0 mismatches ({found['rule']})."}
    return {
        "kind": "bad",
        "text": head + f"{found['mismatches']:,} mismatches, largest difference {found['max_abs_diff']}.",
    }


def _tiles(project: Mapping[str, Any]) -> list[dict[str, str]]:
    plan, build = project["plan"], project.get("build")
    learns = bool(plan.get("training"))
    flash = build["text"] + build["rodata"] + build["data"] if build else plan["flash_bytes"]
    tiles = [
        {"value": f"{plan['arena_bytes']:,} B", "label": "arena, planned"},
        {"value": f"{plan['ram_bytes']:,} B", "label": "RAM with stack, planned"},
        {"value": f"{flash:,} B", "label": "flash, linked" if build else "flash for weights, planned"},
        {"value": f"{plan['macs']:,}", "label": "multiply-accumulates" + (" per training step" if learns else "")},
    ]
    if learns:
        trained = plan["training"]["trainable_parameters"]
        tiles.append({"value": f"{trained:,}", "label": "parameters that learn"})
    if plan["fusion"]:
        tiles.append({"value": f"+{plan['macs_overhead_pct']:.1f} %", "label": "of them done twice, in tiles"})
    for key, of in (("profile", ""), ("training_profile", " per training step")):
        count = project[key]["total"]["instructions"] if key in project else None
        if count is not None:
            tiles.append({"value": f"{count:,}", "label": f"instructions{of}, simulated"})
    return tiles


def _kinds(plan: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Kinds of buffers in the memory map, with their names in the legend."""
    kinds = {kind_of(plan, t) for t in plan["tensors"]}
    state = "weights that learn, and other state" if plan.get("training") else "state kept between inferences"
    return [(k, state if k == "variable" else text) for k, text in _KINDS if k in kinds]


def _peak_place(plan: Mapping[str, Any]) -> str:
    """The step at which the arena reaches highest, in words."""
    place = short_name(plan["peak"]["layer"], 60)
    index = plan["peak"]["step"]
    step = plan["steps"][index] if 0 <= index < len(plan["steps"]) else {}
    if step.get("part", "forward") in ("forward", "loss"):
        return place
    return f"step {index}, the {part_name(step)} of layer {short_name(step['of'], 60)}"


def _inference(plan: Mapping[str, Any]) -> Mapping[str, Any]:
    """A plan without the rest of a training step: the graph that is drawn is the network's."""
    return {**plan, "steps": [s for s in plan["steps"] if s.get("part", "forward") == "forward"]}


def render_page(project: Mapping[str, Any], *, tflm: Mapping[str, Any] | None = None) -> str:
    """The page as one HTML document without any outside reference.

    Args:
        project: the content of ``mcu-gen.json``.
        tflm: what TensorFlow Lite Micro needs (see :func:`mcu_gen.report.peers.tflm_memory`).
    """
    plan = project["plan"]
    lines = _lines(project, (tflm or {}).get("arena_bytes"))
    left_out = "".join(f" Off the scale: {line.label}." for line in off_scale(plan, lines))
    peak = plan["peak"]
    proof = " No smaller arena exists for this order." if plan.get("optimal") else ""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource_dir("templates") / "report"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        keep_trailing_newline=True,
    )
    variables = {
        "title": project["model"]["name"],
        "board": project["board"],
        "board_title": project["manifest"]["name"],
        "options": " ".join(f"--{k} {v}" for k, v in project["options"].items()),
        "sha256": project["model"]["sha256"],
        "version": project["version"],
        "tiles": _tiles(project),
        "svg": memory_map(plan, lines),
        "map_caption": (
            "Address against time: every box is a buffer of the arena; where boxes overlap, a layer works in place. "
            f"The peak of {peak['bytes']:,} B is at {_peak_place(plan)}.{proof}{left_out}"
        ),
        "kinds": _kinds(plan),
        "schedule": schedule_chart(_inference(plan), project["layers"], project["inputs"]),
        "segments": segment_rows(plan),
        "front": front_chart(plan),
        "front_size": len(plan.get("pareto") or ()),
        "sizes": _sizes(project),
        "validation": _validation(project),
        "notes": plan["notes"],
        "learning": learning(project),
        **_layers(project),
        **_comparison(project, tflm),
    }
    return environment.get_template("report.html.j2").render(variables)
