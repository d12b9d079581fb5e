"""What a model costs: layers, multiply-accumulates, weights, activations, and whether it fits a board."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mcu_gen.api.planning import PlanOptions, front_data, load, plan_with, worth_trying
from mcu_gen.api.training_choices import training_choices
from mcu_gen.errors import DoesNotFitError
from mcu_gen.graph import Graph
from mcu_gen.graph.operator import operator
from mcu_gen.plan import fronts
from mcu_gen.plan.estimate import estimate_data, estimate_steps
from mcu_gen.targets import Target, load_target


def activation_peak_bytes(graph: Graph) -> int:
    """The largest sum of activations that are alive at once, in the order of the model; inputs and variables included.

    This is the property of the model; what a plan needs is less where kernels work in place or another order is better,
    and more where kernels need scratch.
    """
    peak = max(sum(graph.tensors[n].bytes for n in alive) for alive in _alive(graph))
    return peak + sum(t.bytes for t in graph.variables())


def _alive(graph: Graph) -> Iterator[set[str]]:
    """Activations that are alive before the first layer and during each one, in the order of the model."""
    last = {n: i for i, op in enumerate(graph.ops) for n in op.inputs if n is not None}
    last |= dict.fromkeys(graph.outputs, len(graph.ops))
    alive = set(graph.inputs)
    yield set(alive)
    for index, op in enumerate(graph.ops):
        alive |= {n for n in op.outputs if graph.tensors[n].data is None}
        yield set(alive)
        alive = {n for n in alive if last.get(n, -1) > index}


def weight_bytes(graph: Graph) -> int:
    """Bytes of all constant tensors that operators use, as the model file holds them."""
    used = {n for op in graph.ops for n in op.inputs if n is not None}
    return sum(
        graph.tensors[n].bytes for n in used if graph.tensors[n].data is not None and not graph.tensors[n].variable
    )


def _layers(graph: Graph) -> list[dict[str, Any]]:
    rows = []
    for index, node in enumerate(graph.nodes()):
        constants = [t for t in node.inputs if t is not None and t.data is not None and not t.variable]
        rows.append(
            {
                "index": index,
                "name": node.name,
                "op": node.type,
                "output_shape": list(node.y.shape),
                "output_dtype": node.y.dtype.value,
                "macs": operator(node.type).macs(node),
                "weight_bytes": sum(t.bytes for t in constants),
                "output_bytes": sum(t.bytes for t in node.outputs),
            }
        )
    return rows


def _interface(graph: Graph, names: list[str]) -> list[dict[str, Any]]:
    tensors = [graph.tensors[n] for n in names]
    return [{"name": t.name, "shape": list(t.shape), "dtype": t.dtype.value, "bytes": t.bytes} for t in tensors]


def activation_peak(graph: Graph) -> dict[str, Any]:
    """Where :func:`activation_peak_bytes` is reached: ``bytes``, ``layer``, ``index`` and the largest tensors alive."""
    sums = list(_alive(graph))
    index, alive = max(enumerate(sums), key=lambda s: (sum(graph.tensors[n].bytes for n in s[1]), -s[0]))
    names = sorted(alive, key=lambda n: -graph.tensors[n].bytes)
    return {
        "bytes": activation_peak_bytes(graph),
        "index": index - 1,
        "layer": list(graph.nodes())[index - 1].name if index else None,
        "tensors": [{"name": n, "bytes": graph.tensors[n].bytes} for n in names],
    }


def analyze(
    model: Graph | str | Path, board: Target | str | None = None, *, front: bool = True, train: str = ""
) -> dict[str, Any]:
    """What a model costs; with a board, what it needs there and whether it fits.

    Returns:
        the ``data`` of the verb ``analyze``: ``macs``, ``weight_bytes``, ``activation_peak_bytes``, ``layers``,
        ``peak``, ``fits`` (None without a board) and, with a board, ``arena_bytes``, ``ram_bytes``, ``flash_bytes``
        and ``estimate`` (see :func:`mcu_gen.plan.estimate.estimate_data`), or why it does not fit.  With ``front`` also
        ``pareto``, the plans of which none is better in RAM and in multiply-accumulates, and ``suggestions``, the
        limits among them that are worth trying.  With ``train`` (a value of ``--train``) also ``training``, what
        learning costs so and in other usual ways (see :func:`mcu_gen.api.training_choices.training_choices`).

    Raises:
        UsageError: ``train`` is not understood.
        UnsupportedModelError: the network cannot be trained so.
    """
    graph = model if isinstance(model, Graph) else load(model)
    target = None if board is None else board if isinstance(board, Target) else load_target(board)
    layers = _layers(graph)
    data: dict[str, Any] = {
        "model": graph.name,
        "sha256": graph.sha256,
        "inputs": _interface(graph, graph.inputs),
        "outputs": _interface(graph, graph.outputs),
        "macs": sum(layer["macs"] for layer in layers),
        "weight_bytes": weight_bytes(graph),
        "activation_peak_bytes": activation_peak_bytes(graph),
        "peak": activation_peak(graph),
        "layers": layers,
        "fits": None,
        "warnings": list(graph.warnings),
    }
    if train:
        data["training"] = training_choices(graph, train, target)
    if target is None:
        return data
    data |= {"board": target.name, "ram_limit_bytes": target.ram_bytes, "flash_limit_bytes": target.flash_bytes}
    if front:
        every, kept = map(front_data, fronts(graph, target, ["auto", "keep"]))
        data |= {"pareto": every, "suggestions": worth_trying([*every, *kept])}
    try:
        made = plan_with(graph, target, PlanOptions())
    except DoesNotFitError as error:
        return data | {"fits": False, "reason": error.message, "hints": error.hints}
    return data | {
        "fits": True,
        "arena_bytes": made.arena_bytes,
        "stack_bytes": made.stack_bytes,
        "ram_bytes": made.ram_bytes,
        "flash_bytes": made.constant_bytes,
        "estimate": estimate_data(made, estimate_steps(made)),
    }
