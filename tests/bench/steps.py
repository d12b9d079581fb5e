"""Training steps whose layers are counted: networks that call every kernel of training, and some of real size."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.counting import Sample, count_plans
from mcu_gen.emit.project import phases
from mcu_gen.plan.planner import make_plan
from mcu_gen.plan.types import Plan
from mcu_gen.targets import Target
from train.network import Network
from train.networks import conv, dense, depthwise, op, pool
from train.test_cores import REQUESTS, choice, covering_cases, trainer

#: All gradients first, and the updates in the first step.
CLIPPED = (",clip=1", ",dtype=f16,rounding=stochastic,clip=1")

#: Networks of real size, trained in each way.
LARGE = (
    Network("mlp", (1, 128), [dense(64, activation="relu"), dense(10), op("softmax")]),
    Network(
        "convolutions", (1, 16, 16, 3),
        [conv(16, (3, 3), activation="relu"), pool("max", (2, 2)), conv(32, (3, 3), activation="relu"),
         pool("average", (8, 8)), op("reshape"), dense(10), op("softmax")],
    ),
    Network(
        "separable", (1, 12, 12, 8),
        [depthwise((3, 3), activation="relu"), conv(24, (1, 1), activation="relu"),
         pool("average", (12, 12)), op("reshape"), dense(4), op("softmax")],
    ),
)  # fmt: skip


def plans(target: Target) -> list[Plan]:
    """All plans of training steps that are counted."""
    large = [(n, trainer(n, r)) for n in LARGE for r in (*REQUESTS[::2], *CLIPPED)]
    found = [case.plan for case in covering_cases(target)]
    return found + [make_plan(graph, target, fuse=False, select=choice(n)) for n, graph in large]


def _idle(plan: Plan) -> set[str]:
    """Steps that have nothing to do in a first training step: passes over a replay buffer that holds nothing yet, and
    updates that wait for the end of a batch."""
    found = {s.node.name for s, phase in zip(plan.steps, phases(plan), strict=True) if phase == "replay"}
    ends = [s for s in plan.steps if s.node.type == "batch_end" and s.node.int_attr("batch") > 1]
    if ends:
        found |= {s.node.name for s in plan.steps if s.index >= ends[0].index}
    return {s.node.name for s in plan.steps if s.node.name in found and not s.node.type.startswith("replay_")}


def count_steps(target: Target) -> Iterator[Sample]:
    """Every layer of them that a kernel of training computes, with its exact instructions."""
    todo = plans(target)
    for first in range(0, len(todo), 12):
        part = todo[first : first + 12]
        with tempfile.TemporaryDirectory(prefix="mcu-gen-steps-") as folder:
            counts = count_plans(part, target, Path(folder))
        for plan, spent in zip(part, counts, strict=True):
            idle = _idle(plan)
            for step, count in zip(plan.steps, spent, strict=True):
                if step.kernel.is_of_training and step.node.name not in idle:
                    yield Sample(step.node, step.kernel, count)
