"""What a plan is expected to take: predicted instructions, and an estimate of cycles from published timings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mcu_gen.graph.operator import operator
from mcu_gen.kernels.contract import Kernel
from mcu_gen.kernels.rates import events_of, rates_of
from mcu_gen.plan.types import Plan, Step
from mcu_gen.targets import timing_of


@dataclass(frozen=True)
class Estimate:
    """Predictions of the cost model, of a step or of a plan.

    Attributes:
        instructions: None where a kernel computes real numbers on a core without hardware for them (what was measured
            are cores that have it), or was never measured.
        cycles: an estimate, never a measurement; None where ``instructions`` is, and on cores without published
            timings.
    """

    instructions: int | None
    cycles: int | None

    def data(self) -> dict[str, Any]:
        """The keys of a step or layer."""
        return {"predicted_instructions": self.instructions, "estimated_cycles": self.cycles}


def _part_of_map(plan: Plan, step: Step) -> tuple[int, int]:
    """Pixels of its map that a step computes in one inference, and those that the map has."""
    segment = next((s for s in plan.segments if s.first <= step.index <= s.last), None)
    if segment is None:
        return 1, 1
    tile = segment.tensors[step.node.y.name]
    rows = sum(hi - lo for lo, hi in map(tile.fresh, range(segment.n_y)))
    columns = sum(hi - lo for lo, hi in map(tile.fresh_columns, range(segment.n_x)))
    tiling = step.kernel.tiling(step.node, plan.target)
    cut = step.node.x if tiling is not None and tiling.kind == "reduce" else step.node.y
    return rows * columns, cut.shape[1] * cut.shape[2]


def computed_macs(plan: Plan, step: Step) -> int:
    """Multiply-accumulates of a step in one inference: more than the operator's where a segment does some twice."""
    computed, pixels = _part_of_map(plan, step)
    return operator(step.node.type).macs(step.node) * computed // pixels


def _estimate(plan: Plan, step: Step) -> Estimate:
    kernel, node, target = step.kernel, step.node, plan.target
    names = (kernel.name, kernel.template)
    is_float = any(t is not None and t.dtype.is_float for t in (*node.inputs, *node.outputs))
    known = rates_of(names, target) is not None or type(kernel).cost is not Kernel.cost
    if not known or (is_float and "fma" not in target.features):
        return Estimate(None, None)
    computed, pixels = _part_of_map(plan, step)
    instructions = kernel.cost(node, target) * computed / pixels
    timing, events = timing_of(target), events_of(names, target)
    cycles = None if timing is None or events is None else round(timing.cycles(instructions, events))
    return Estimate(round(instructions), cycles)


def estimate_steps(plan: Plan) -> list[Estimate]:
    """Predictions of every step.

    Steps of fused segments count what tiles compute again; what many short calls take beyond one long call is not part
    of it.
    """
    return [_estimate(plan, step) for step in plan.steps]


def _sum(parts: Iterable[int | None]) -> int | None:
    """The sum; None where a part is not known."""
    total = 0
    for part in parts:
        if part is None:
            return None
        total += part
    return total


def estimate_plan(plan: Plan, steps: Sequence[Estimate]) -> Estimate:
    """The sum over the steps of an inference."""
    own = steps[: plan.inference_steps]
    return Estimate(_sum(e.instructions for e in own), _sum(e.cycles for e in own))


def estimate_data(plan: Plan, steps: Sequence[Estimate]) -> dict[str, Any]:
    """The key ``estimate`` of plans and analyses: ``instructions`` and ``cycles`` of an inference, the ``source`` of
    the timings, and ``training_step``, the instructions of a whole training step (None where nothing is trained)."""
    of_plan, timing = estimate_plan(plan, steps), timing_of(plan.target)
    return {
        "instructions": of_plan.instructions,
        "cycles": of_plan.cycles,
        "source": timing.source if timing is not None and of_plan.cycles is not None else None,
        "training_step": None if plan.graph.training is None else _sum(e.instructions for e in steps),
    }
