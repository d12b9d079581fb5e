"""A plan as plain data: the ``data`` of ``mcu-gen plan --json``, and what reports draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcu_gen.graph.operator import operator
from mcu_gen.plan.estimate import Estimate, estimate_data, estimate_steps
from mcu_gen.plan.limits import layer_at, peak
from mcu_gen.plan.training import training_costs
from mcu_gen.plan.types import Plan, Segment
from mcu_gen.train.phases import Part, parts


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


def _steps(plan: Plan, estimates: Sequence[Estimate]) -> list[dict[str, Any]]:
    of = parts(plan.graph) if plan.graph.training is not None else {}
    return [
        {
            "index": s.index,
            "layer": s.node.name,
            "op": s.node.type,
            "kernel": s.kernel.name,
            "inputs": [t.name for t in s.node.inputs if t is not None and (t.variable or not t.is_constant)],
            "outputs": [t.name for t in s.node.outputs],
            "macs": operator(s.node.type).macs(s.node),
            **part_data(of.get(s.node.name)),
            "repeats": plan.repeats.get(s.node.name),
            "scratch_bytes": plan.buffers[s.scratch].bytes if s.scratch is not None else 0,
            "live_bytes": sum(b.bytes for b in plan.buffers.values() if b.first <= s.index <= b.last),
            **estimate.data(),
        }
        for s, estimate in zip(plan.steps, estimates, strict=True)
    ]


def part_data(part: Part | None) -> dict[str, str]:
    """What a step of a training step is for, and for which layer of the network."""
    if part is None:
        return {}
    return {"part": part.phase, "of": part.layer, "variable": part.variable, "role": part.role}


def _form(segment: Segment) -> str:
    """How a segment runs: ``rows`` and ``tiles`` keep shared rows in line buffers, ``patches`` compute them again."""
    if not segment.keep_rows:
        return "patches"
    return "rows" if segment.n_x == 1 else "tiles"


def _fusion(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "first": s.first,
            "last": s.last,
            "layers": [step.node.name for step in plan.steps[s.first : s.last + 1]],
            "form": _form(s),
            "tile_h": s.tile_h,
            "tile_w": s.tile_w,
            "n_y": s.n_y,
            "n_x": s.n_x,
            "keep_rows": s.keep_rows,
            "streamed": s.streamed,
            "macs": s.macs,
            "extra_macs": s.extra_macs,
            "copied_bytes": s.copied_bytes,
        }
        for s in plan.segments
    ]


def _replay(plan: Plan) -> dict[str, Any] | None:
    """The replay buffer of a training step: its slots, the bytes of it in the arena, samples per step."""
    replay = None if plan.graph.training is None else plan.graph.training.replay
    if replay is None:
        return None
    return {
        "samples": replay.samples,
        "bytes": sum(plan.buffers[n].bytes for n in replay.variables),
        "steps": replay.steps,
    }


def plan_data(plan: Plan) -> dict[str, Any]:
    """The plan as JSON-ready data, with the keys of the command-line contract and more.

    Sizes are bytes.  ``first`` and ``last`` are steps: -1 is before the first one (inputs), the number of steps is
    after the last one (outputs).  ``flash_bytes`` counts weights and tables; code is known after linking.
    ``live_bytes`` of a step is the plain sum of the tensors alive, from which overlaps may take some away.  ``macs``
    counts what segments compute twice, the ``macs`` of a step do not.  ``repeats`` is the layer that a step runs again.
    Tensors of kind ``patch`` and ``halo`` hold the part of a tensor that is in memory inside a segment, and the rows
    that wait for the next tile.  Where the network is trained, ``training`` says what that costs (see
    :func:`mcu_gen.plan.training.training_costs`), and each step what it is for (``part``), of which layer (``of``).
    ``estimate`` and the keys ``predicted_instructions`` and ``estimated_cycles`` of a step come from the cost model
    (see :mod:`mcu_gen.plan.estimate`), null where it knows nothing.
    """
    step, top = peak(plan.buffers, plan.offsets)
    estimates = estimate_steps(plan)
    steps = _steps(plan, estimates)
    return {
        "model": plan.graph.name,
        "board": plan.target.name,
        "arena_bytes": plan.arena_bytes,
        "stack_bytes": plan.stack_bytes,
        "ram_bytes": plan.ram_bytes,
        "constant_bytes": plan.constant_bytes,
        "flash_bytes": plan.constant_bytes,
        "max_ram": plan.max_ram,
        "max_flash": plan.max_flash,
        "lower_bound_bytes": plan.lower_bound_bytes,
        "greedy_bytes": plan.greedy_bytes,
        "optimal": plan.optimal,
        "macs": plan.base_macs + plan.extra_macs,
        "macs_overhead_pct": plan.macs_overhead_pct,
        "estimate": estimate_data(plan, estimates),
        "input": "keep" if plan.streamed is None else "rows",
        "fusion": _fusion(plan),
        "replay": _replay(plan),
        "peak": {"step": step, "layer": layer_at(plan, step), "bytes": top},
        "steps": steps,
        "tensors": _tensors(plan),
        "training": None if plan.graph.training is None else training_costs(plan.graph),
        "notes": list(plan.notes),
    }
