"""Reshapes in front of fully connected layers go away: the layer takes a map as the vector that it is in memory."""

from __future__ import annotations

from mcu_gen.graph import Graph, Op


def flatten(graph: Graph) -> Graph:
    """``graph`` without the reshapes of maps [1, H, W, C] that only fully connected layers read.

    Not a bit of memory or arithmetic changes, but these layers can then be seen to follow a map, and may take it in
    part by part.  Graphs that train themselves stay as they are: gradients have the shape of what they belong to.
    """
    if graph.training is not None:
        return graph
    flat = {op.outputs[0]: op.inputs[0] for op in graph.ops if _flattens(graph, op)}
    if not flat:
        return graph
    changed = graph.copy()
    changed.ops = [
        op.replace(inputs=(flat.get(op.inputs[0] or "", op.inputs[0]), *op.inputs[1:]))
        if op.type == "fully_connected" else op
        for op in graph.ops
        if op.outputs[0] not in flat
    ]  # fmt: skip
    return changed


def _flattens(graph: Graph, op: Op) -> bool:
    if op.type not in ("reshape", "squeeze") or op.inputs[0] is None or op.outputs[0] in graph.outputs:
        return False
    x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    same = x.quant.same_as(y.quant) if x.quant is not None and y.quant is not None else x.quant is y.quant
    if x.is_constant or x.variable or len(x.shape) != 4 or x.shape[0] != 1 or x.elements != y.elements or not same:
        return False
    readers = graph.consumers(y.name)
    return bool(readers) and all(
        r.type == "fully_connected"
        and r.inputs[0] == y.name
        and not r.attrs["keep_dims"]
        and graph.tensors[r.inputs[1] or ""].shape[-1] == y.elements
        for r in readers
    )
