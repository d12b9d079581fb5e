"""Clamps that never act: RELU, RELU6 and RELU_N1_TO_1 whose input cannot leave their bounds."""

from __future__ import annotations

from mcu_gen.graph import DType, Graph
from mcu_gen.ops.rectifier import bounds
from mcu_gen.passes.ranges import intervals
from mcu_gen.passes.remove_identities import bypassed
from mcu_gen.passes.rewrite import same_type

_RECTIFIERS = ("relu", "relu6", "relu_n1_to_1")


def remove_clamps(graph: Graph) -> Graph:
    """Removes int8 and int16 rectifiers between tensors of one type that change no value which can occur.

    The most common case is a quantization whose lowest code is the real number 0: nothing lies below it.
    """
    if not any(op.type in _RECTIFIERS for op in graph.ops):
        return graph
    ranges = intervals(graph)
    for name in [op.name for op in graph.ops if op.type in _RECTIFIERS]:
        op = next(o for o in graph.ops if o.name == name)
        node = graph.node(op)
        x = ranges.get(node.x.name)
        if x is None or node.x.dtype not in (DType.INT8, DType.INT16) or not same_type(node.x, node.y):
            continue
        low, high = bounds(node)
        if low <= int(x.low.min()) and int(x.high.max()) <= high:
            graph = bypassed(graph, op, node.x)
    return graph
