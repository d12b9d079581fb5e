"""What learning on the device costs: a training request beside the usual others, so that a user can choose."""

from __future__ import annotations

from typing import Any

from mcu_gen.api.planning import PlanOptions, pareto, plan_with
from mcu_gen.errors import DoesNotFitError, UnsupportedModelError, UsageError
from mcu_gen.graph import Graph
from mcu_gen.plan.training import training_costs
from mcu_gen.targets import Target
from mcu_gen.train import TrainSpec, make_training_graph, parse_spec

#: What is usually trained; of two that train the same, the first is shown.
USUAL = ("all", "head", "bias", "last:2", "last:3")


def training_choices(graph: Graph, spec: str, target: Target | None = None) -> list[dict[str, Any]]:
    """Costs of ``spec`` and of the usual choices with the same loss, optimizer and so on.

    Args:
        graph: the network, after the passes.
        spec: the value of ``--train``.
        target: where it is to run; without one there are no figures of memory.

    Returns:
        One record per choice, cheapest in parameters first: ``train`` (the value of ``--train``), ``chosen``,
        ``refused`` (why it cannot be trained, or None) and, where it is not refused, those of
        :func:`mcu_gen.plan.training.training_costs` and ``macs_total``.  With a target also ``arena_bytes``,
        ``ram_bytes``, ``flash_bytes`` and ``fits``, whether or not it fits, and ``reason``, why it does not.
        Choices that train what another one trains, or more layers than there are, are left out.

    Raises:
        UsageError: ``spec`` is not understood.
        UnsupportedModelError: the network cannot be trained as ``spec`` says.
    """
    asked = parse_spec(spec)
    own = make_training_graph(graph, asked)
    found = [_costs(graph, own, asked.text, target) | {"chosen": True, "refused": None}]
    assert own.training is not None
    seen = {frozenset(own.training.trained)}
    for what in USUAL:
        other = _with(asked, what)
        try:
            made = make_training_graph(graph, parse_spec(other))
        except UsageError:
            continue  # more layers than there are
        except UnsupportedModelError as error:
            refused = error.reasons[0] if error.reasons else error.message
            found.append({"train": other, "chosen": False, "refused": refused})
            continue
        assert made.training is not None
        if frozenset(made.training.trained) not in seen:
            seen.add(frozenset(made.training.trained))
            found.append(_costs(graph, made, other, target) | {"chosen": False, "refused": None})
    return sorted(found, key=lambda c: (c["refused"] is not None, c.get("trainable_parameters", 0)))


def _with(asked: TrainSpec, what: str) -> str:
    """The request with another WHAT."""
    _, comma, rest = asked.text.partition(",")
    return what + comma + rest


def _costs(network: Graph, graph: Graph, spec: str, target: Target | None) -> dict[str, Any]:
    """Costs of ``spec`` on ``network``, whose training graph is ``graph``."""
    costs = training_costs(graph)
    found = {"train": spec, **costs, "macs_total": sum(costs["macs"].values())}
    return found if target is None else found | _memory(network, graph, spec, target)


def _memory(network: Graph, graph: Graph, spec: str, target: Target) -> dict[str, Any]:
    """RAM and flash of the plan, or of the one layer by layer where none fits the board."""
    reason = None
    try:
        made = plan_with(network, target, PlanOptions(train=spec))
    except DoesNotFitError as error:
        reason, made = error.message, pareto(graph, target, fuse=False)[0]
    sizes = {"arena_bytes": made.arena_bytes, "ram_bytes": made.ram_bytes, "flash_bytes": made.constant_bytes}
    return sizes | {"fits": reason is None, "reason": reason}
