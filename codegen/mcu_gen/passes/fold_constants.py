"""Constant folding: operators whose inputs are all constants are evaluated now."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import Graph, Node, operator

#: A folded operator may grow the flash by so much; a large tensor made from a small one is left to the device.
MAX_GROWTH_BYTES = 16 << 10


def fold_constants(graph: Graph) -> Graph:
    """Replaces the outputs of operators on constants by constants, as long as flash does not grow by much.

    Outputs of the graph and variables stay computed: they are places in RAM that the caller reads.
    """
    out = graph.copy()
    out.ops = []
    for op in graph.ops:
        node = out.node(op)
        if not _is_foldable(node, out):
            out.ops.append(op)
            continue
        values = operator(op.type).evaluate(node, [None if t is None else t.data for t in node.inputs])
        for tensor, value in zip(node.outputs, values, strict=True):
            data = np.ascontiguousarray(value)
            data.flags.writeable = False
            out.tensors[tensor.name] = tensor.replace(data=data)
    return out


def _is_foldable(node: Node, graph: Graph) -> bool:
    inputs = [t for t in node.inputs if t is not None]
    if not inputs or not all(t.is_constant for t in inputs):
        return False
    if any(t.variable or t.name in graph.outputs for t in node.outputs):
        return False
    return sum(t.bytes for t in node.outputs) <= sum(t.bytes for t in inputs) + MAX_GROWTH_BYTES
