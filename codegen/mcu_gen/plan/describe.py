"""A plan as plain data: the ``data`` of ``mcu-gen plan --json``, and what reports draw."""

from __future__ import annotations

from typing import Any

from mcu_gen.graph.operator import operator
from mcu_gen.plan.limits import layer_at, peak
from mcu_gen.plan.types import Plan


def _tensors(plan: Plan) -> list[dict[str, Any]]:
    """Everything in the arena, and the tensors that share storage (``alias_of``), by offset and first step."""
    rows: list[dict[str, Any]] = [
        {
            "name": b.name,
            "offset": plan.offsets[b.name],
            "bytes": b.bytes,
            "first": b.first,
            "last": b.last,
            "kind": b.kind,
        }
        for b in plan.buffers.values()
    ]
    rows += [
        {**next(r for r in rows if r["name"] == storage), "name": name, "alias_of": storage}
        for name, storage in plan.aliases.items()
        if storage in plan.buffers
    ]
    return sorted(rows, key=lambda r: (r["offset"], r["first"], r["name"]))


def _steps(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "index": s.index,
            "layer": s.node.name,
            "op": s.node.type,
            "kernel": s.kernel.name,
            "inputs": [t.name for t in s.node.inputs if t is not None and (t.variable or not t.is_constant)],
            "outputs": [t.name for t in s.node.outputs],
            "macs": operator(s.node.type).macs(s.node),
            "scratch_bytes": plan.buffers[s.scratch].bytes if s.scratch is not None else 0,
            "live_bytes": sum(b.bytes for b in plan.buffers.values() if b.first <= s.index <= b.last),
        }
        for s in plan.steps
    ]


def plan_data(plan: Plan) -> dict[str, Any]:
    """The plan as JSON-ready data, with the keys of the command-line contract and more.

    Sizes are bytes.  ``first`` and ``last`` are steps: -1 is before the first one (inputs), the number of steps is
    after the last one (outputs).  ``flash_bytes`` counts weights and tables; code is known after linking.
    ``live_bytes`` of a step is the plain sum of the tensors alive, from which overlaps may take some away.
    """
    step, top = peak(plan.buffers, plan.offsets)
    steps = _steps(plan)
    return {
        "model": plan.graph.name,
        "board": plan.target.name,
        "arena_bytes": plan.arena_bytes,
        "stack_bytes": plan.stack_bytes,
        "ram_bytes": plan.ram_bytes,
        "constant_bytes": plan.constant_bytes,
        "flash_bytes": plan.constant_bytes,
        "max_ram": plan.max_ram,
        "lower_bound_bytes": plan.lower_bound_bytes,
        "greedy_bytes": plan.greedy_bytes,
        "optimal": plan.optimal,
        "macs": sum(s["macs"] for s in steps),
        "macs_overhead_pct": 0.0,
        "fusion": [],
        "peak": {"step": step, "layer": layer_at(plan, step), "bytes": top},
        "steps": steps,
        "tensors": _tensors(plan),
        "notes": list(plan.notes),
    }
