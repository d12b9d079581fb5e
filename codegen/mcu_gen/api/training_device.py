"""The device's side of a comparison with TensorFlow: gradients of the first update, then a run from the beginning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mcu_gen.graph import DType, Graph
from mcu_gen.run.device import Device, Stats
from mcu_gen.run.training_oracle import Recipe
from mcu_gen.train import phases

#: The rate of the update from which gradients are read: the weights themselves vanish beside rate * gradient.
_PROBE_RATE = 2.0**30

#: Optimizers whose first update is proportional to the gradient.
_LINEAR = ("sgd", "momentum")

#: A sample with its label.
Step = tuple[list[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Learnt:
    """What a device did.

    Attributes:
        loss: per step, float64.
        gradients: of the first update by tensor, where they could be read; float64.
        weights: at the end by tensor, float64.
        skipped: updates left out per step.
        left_out: step -> tensors that it did not update because a number was not finite in halves.
        instructions: per step; None where nothing counts instructions.
        stats: stack and guard bytes.
    """

    loss: np.ndarray
    gradients: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    skipped: list[int]
    left_out: dict[int, list[str]]
    instructions: int | None
    stats: Stats


def learn(
    device: Device, graph: Graph, recipe: Recipe, steps: Sequence[Step], progress: Callable[[str, int, int], None]
) -> Learnt:
    """Reads the gradients of the first update, then takes all steps from the beginning.

    Updates that are left out in float32 are a fault, or the run diverges.  With gradients in halves they belong to it:
    a loss scale that was too large adapts; the oracle is told.
    """
    assert graph.training is not None
    names = graph.training.trained
    gradients = _gradients(device, graph, recipe, steps)
    device.reset_state()
    device.set_learning_rate(recipe.rate)
    losses, skipped, ticks = [], [], 0
    for done, (x, y) in enumerate(steps, 1):
        step = device.train_step(x, y)
        losses.append(step.loss)
        skipped.append(step.skipped)
        ticks += step.ticks
        progress("training", done, len(steps))
    left_out = {}
    if phases.gradient_dtype(graph) == "float16":
        left_out = {k: found for k, n in enumerate(skipped, 1) if (found := _left_out(graph, n))}
    instructions = device.instructions(ticks)
    return Learnt(
        np.array(losses),
        gradients,
        _read(device, names),
        skipped,
        left_out,
        None if instructions is None else instructions // len(steps),
        device.stats(),
    )


def _gradients(device: Device, graph: Graph, recipe: Recipe, steps: Sequence[Step]) -> dict[str, np.ndarray]:
    """Gradients that the first update applies, read off the weights after an update with a huge learning rate."""
    assert graph.training is not None
    if recipe.optimizer not in _LINEAR or len(steps) < recipe.batch:
        return {}
    names = graph.training.trained
    device.set_learning_rate(_PROBE_RATE)
    skipped = [device.train_step(*step).skipped for step in steps[: recipe.batch]]
    gone = set(_left_out(graph, skipped[-1]))
    gone |= {p.variable for p in phases.parts(graph).values() if p.role == "statistics"}
    before: Mapping[str, np.ndarray] = {n: initial_value(graph, n) for n in names}
    return {
        n: (before[n].reshape(after.shape) - after) / _PROBE_RATE
        for n, after in _read(device, names).items()
        if n not in gone and graph.tensors[n].dtype is DType.FLOAT32
    }


def _left_out(graph: Graph, skipped: int) -> list[str]:
    """The tensors that a step did not update, of which it says how many.

    Applied as they are made, the updates of a layer and of every earlier one are left out, so it is the last ones;
    applied together, it is all of them or none.
    """
    training = graph.training
    assert training is not None
    order = [n for op in graph.ops for n in op.outputs if n in training.trained]
    if phases.mode(graph) == "accumulate":
        return order if skipped >= len(order) else []
    return order[max(0, len(order) - skipped) :]


def _read(device: Device, names: Sequence[str]) -> dict[str, np.ndarray]:
    return {n: w.astype(np.float64) for n, w in zip(names, device.read_weights(len(names)), strict=True)}


def initial_value(graph: Graph, name: str) -> np.ndarray:
    """What a trained tensor holds at first; float64."""
    initial = graph.tensors[name].initial
    assert initial is not None
    return initial.astype(np.float64)
