"""Training steps whose layers are counted: networks that call every kernel of training, and some of real size."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.counting import Sample, count_plans
from mcu_gen.emit.project import phases
from mcu_gen.plan.planner import make_plan
from mcu_gen.plan.types import Plan
from mcu_gen.targets import Target
from train.network import Network
from train.networks import conv, dense, depthwise, op, pool
from train.test_cores import REQUESTS, behind_a_seam, choice, covering_cases, reducing, trainer

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


def _activations(size: int) -> list[dict[str, Any]]:
    """A layer of ``size`` units and every activation behind it."""
    names = ("relu6", "relu_n1_to_1", "logistic", "tanh", "hard_swish", "elu")
    slopes = [op("leaky_relu", alpha=0.2), op("prelu", alpha=(size,))]
    return [dense(size), *(op(name) for name in names), *slopes, *(op("gelu", approximate=a) for a in (False, True))]


def _normalized(channels: int) -> list[dict[str, Any]]:
    """What works on single channels."""
    return [op("batch_norm", epsilon=1e-3, momentum=0.9, activation="relu"), op("mul", vector=(channels,))]


#: Operators on tensors of several sizes, of which the tests of gradients have one: small and large maps, channels that
#: fill vectors and some that do not.
SIZES = (
    Network(
        "activations", (1, 16), [*_activations(9), *_activations(50), *_activations(400), dense(4), op("softmax")]
    ),
    Network(
        "maps", (1, 24, 20, 3),
        [conv(16, (3, 3), stride=(2, 2)), depthwise((3, 3)), *_normalized(16), pool("average", (2, 2)),
         conv(7, (1, 1)), depthwise((3, 2), multiplier=2), *_normalized(14), depthwise((5, 3)),
         pool("average", (3, 3), stride=(1, 1), padding="same"), op("mean"), dense(4), op("softmax")],
    ),
    Network(
        "large maps", (1, 49, 10, 1),
        [conv(64, (3, 3), stride=(2, 2)), depthwise((3, 3)), *_normalized(64), conv(64, (1, 1)), conv(10, (1, 1)),
         depthwise((3, 3)), *_normalized(10), pool("average", (25, 5)), op("reshape"), dense(4), op("softmax")],
    ),
    Network(
        "small maps", (1, 5, 4, 12),
        [conv(24, (3, 3), stride=(2, 2)), conv(32, (3, 3)), conv(9, (2, 2)), depthwise((3, 3)),
         op("reshape"), dense(3)],
        "mse",
    ),
    Network(
        "pools", (1, 24, 28, 5),
        [conv(18, (3, 3)), pool("max", (2, 2)), conv(7, (1, 1)), pool("max", (2, 2)), conv(32, (1, 1)),
         pool("max", (3, 1)), pool("average", (2, 7)), op("reshape"), dense(3)],
        "mse",
    ),
)  # fmt: skip

#: Labels of several sizes.
LABELS = tuple(
    Network(f"{loss} of {size}", (1, 8), [dense(size)], loss)
    for loss in ("mse", "mae", "huber")
    for size in (4, 50, 300)
)


def plans(target: Target) -> list[Plan]:
    """All plans of training steps that are counted."""
    large = [(n, trainer(n, r)) for n in LARGE for r in (*REQUESTS[:3], *REQUESTS[4::2], *CLIPPED)]
    found = [case.plan for case in covering_cases(target)]
    found += [make_plan(graph, target, fuse=False, select=choice(n)) for n, graph in large]
    sizes = [trainer(n, r) for n in SIZES for r in REQUESTS[:3]] + [trainer(n, "") for n in LABELS]
    found += [behind_a_seam(target, size, channels).plan for size, channels in ((3, 3), (13, 10))]
    return found + [make_plan(graph, target, fuse=False, select=reducing) for graph in sizes]


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
