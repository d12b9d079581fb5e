"""Common subexpressions: operators that compute the same from the same inputs are computed once."""

from __future__ import annotations

from mcu_gen.graph import Graph, Op, QuantParams
from mcu_gen.passes.rewrite import renamed, with_ops


def share_equal(graph: Graph) -> Graph:
    """Lets the readers of an operator's results read those of an equal, earlier one; the later one goes.

    Equal are operators of one type with the same attributes, the same inputs (constants: the same content) and outputs
    of the same types.  Operators on state stay, and those whose results are outputs of the graph.
    """
    constants: dict[object, str] = {}
    known: dict[object, Op] = {}
    names: dict[str, str] = {}
    kept: list[Op] = []
    for original in graph.ops:
        op = renamed(original, names)
        key = _key(graph, op, constants)
        first = known.setdefault(key, op) if key is not None else op
        if first is op or any(n in graph.outputs for n in op.outputs):
            kept.append(op)
        else:
            names |= dict(zip(op.outputs, first.outputs, strict=True))
    return graph if len(kept) == len(graph.ops) else with_ops(graph, kept)


def _key(graph: Graph, op: Op, constants: dict[object, str]) -> object:
    """What makes two operators equal; None for one that reads or writes state."""
    tensors = [None if n is None else graph.tensors[n] for n in op.inputs]
    outputs = [graph.tensors[n] for n in op.outputs]
    if any(t is not None and t.variable for t in (*tensors, *outputs)):
        return None
    inputs = []
    for t in tensors:
        if t is None or t.data is None:
            inputs.append(None if t is None else t.name)
        else:
            content = (t.shape, t.dtype, _quant(t.quant), t.data.tobytes())
            inputs.append(constants.setdefault(content, t.name))
    attributes = tuple(sorted((name, repr(value)) for name, value in op.attrs.items()))
    return op.type, tuple(inputs), attributes, tuple((t.shape, t.dtype, _quant(t.quant)) for t in outputs)


def _quant(quant: QuantParams | None) -> object:
    return None if quant is None else (quant.scale.tobytes(), quant.zero_point.tobytes(), quant.axis)
