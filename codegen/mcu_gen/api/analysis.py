"""What a model costs: layers, multiply-accumulates, weights, activations, and whether it fits a board."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcu_gen.api.projects import load, plan
from mcu_gen.errors import DoesNotFitError
from mcu_gen.graph import Graph
from mcu_gen.graph.operator import operator
from mcu_gen.targets import Target, load_target


def activation_peak_bytes(graph: Graph) -> int:
    """The largest sum of activations that are alive at once, in the order of the model; inputs and variables included.

    This is the property of the model; what a plan needs is less where kernels work in place or another order is better,
    and more where kernels need scratch.
    """
    last = {n: i for i, op in enumerate(graph.ops) for n in op.inputs if n is not None}
    last |= dict.fromkeys(graph.outputs, len(graph.ops))
    variables = sum(t.bytes for t in graph.variables())
    alive = set(graph.inputs)
    peak = sum(graph.tensors[n].bytes for n in alive)
    for index, op in enumerate(graph.ops):
        alive |= {n for n in op.outputs if graph.tensors[n].data is None}
        peak = max(peak, sum(graph.tensors[n].bytes for n in alive))
        alive = {n for n in alive if last.get(n, -1) > index}
    return peak + variables


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


def analyze(model: Graph | str | Path, board: Target | str | None = None) -> dict[str, Any]:
    """What a model costs; with a board, what it needs there and whether it fits.

    Returns:
        the ``data`` of the verb ``analyze``: ``macs``, ``weight_bytes``, ``activation_peak_bytes``, ``layers``,
        ``fits`` (None without a board) and, with a board, ``arena_bytes``, ``ram_bytes``, ``flash_bytes``, or why it
        does not fit.
    """
    graph = model if isinstance(model, Graph) else load(model)
    layers = _layers(graph)
    data: dict[str, Any] = {
        "model": graph.name,
        "sha256": graph.sha256,
        "inputs": _interface(graph, graph.inputs),
        "outputs": _interface(graph, graph.outputs),
        "macs": sum(layer["macs"] for layer in layers),
        "weight_bytes": weight_bytes(graph),
        "activation_peak_bytes": activation_peak_bytes(graph),
        "layers": layers,
        "fits": None,
        "warnings": list(graph.warnings),
    }
    if board is None:
        return data
    target = board if isinstance(board, Target) else load_target(board)
    data |= {"board": target.name, "ram_limit_bytes": target.ram_bytes, "flash_limit_bytes": target.flash_bytes}
    try:
        made = plan(graph, target)
    except DoesNotFitError as error:
        return data | {"fits": False, "reason": error.message, "hints": error.hints}
    return data | {
        "fits": True,
        "arena_bytes": made.arena_bytes,
        "stack_bytes": made.stack_bytes,
        "ram_bytes": made.ram_bytes,
        "flash_bytes": made.constant_bytes,
    }
