"""Activation fusing: a clamp behind an operator that can clamp its own result."""

from __future__ import annotations

from mcu_gen.graph import Graph, Op
from mcu_gen.passes.rewrite import Uses, is_legal, same_type, with_ops

#: {(activation that the operator has, activation behind it): activation of both}
_COMBINED = {
    ("none", "relu"): "relu",
    ("none", "relu6"): "relu6",
    ("none", "relu_n1_to_1"): "relu_n1_to_1",
    ("relu", "relu"): "relu",
    ("relu", "relu6"): "relu6",
    ("relu6", "relu"): "relu6",
    ("relu6", "relu6"): "relu6",
    ("relu_n1_to_1", "relu_n1_to_1"): "relu_n1_to_1",
}


def fuse_activation(graph: Graph) -> Graph:
    """Moves RELU, RELU6 and RELU_N1_TO_1 into the operator before them.

    Exact: between tensors of one scale and zero point a clamp changes no scale, and two clamps in a row are one.  With
    different scales the activation also rescales, with a rounding of its own, and stays.
    """
    uses = Uses(graph)
    fused: dict[str, Op] = {}
    gone: set[str] = set()
    for op in graph.ops:
        if op.name in gone or "activation" not in op.attrs or len(op.outputs) != 1:
            continue
        behind = uses.only_consumer(op.outputs[0])
        activation = _COMBINED.get((op.attrs["activation"], behind.type)) if behind is not None else None
        if behind is None or activation is None:
            continue
        middle, last = graph.tensors[op.outputs[0]], graph.tensors[behind.outputs[0]]
        if last.variable or middle.shape != last.shape or not same_type(middle, last):
            continue
        new = op.replace(outputs=behind.outputs, attrs={**op.attrs, "activation": activation})
        if is_legal(graph.node(new)):
            fused[op.name] = new
            gone.add(behind.name)
    return with_ops(graph, (fused.get(op.name, op) for op in graph.ops if op.name not in gone))
