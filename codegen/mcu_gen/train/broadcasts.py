"""Takes repetition out of the backward pass: operators that broadcast read the short tensor."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import Graph, Op, Tensor

#: Operators that repeat what is shorter than their output by themselves.
_REPEATING = ("add", "sub", "mul", "squared_difference", "maximum", "minimum")


def without_broadcasts(graph: Graph) -> Graph:
    """``graph`` with BROADCAST_TO only where the repeated numbers are needed one by one.

    An operator that broadcasts reads the short tensor; where nothing but a short constant meets it, it computes the
    short result, and that is repeated.
    """
    out = graph.copy()
    out.ops = []
    repeated: dict[str, Op] = {}  # the BROADCAST_TO operators so far, by their output
    for op in graph.ops:
        sources = [repeated.get(n) if n is not None else None for n in op.inputs]
        if op.type not in _REPEATING or not any(sources):
            added = [op]
        else:
            added = _on_short(out, op, sources)
        out.ops += added
        repeated |= {a.outputs[0]: a for a in added if a.type == "broadcast_to"}
    return out.prune()


def _on_short(out: Graph, op: Op, sources: list[Op | None]) -> list[Op]:
    """The operator on the tensors that BROADCAST_TO would repeat, and that operator again where it is still wanted."""
    inputs = tuple(n if s is None else s.inputs[0] for n, s in zip(op.inputs, sources, strict=True))
    shape = tuple(np.broadcast_shapes(*(out.tensors[n].shape for n in inputs if n is not None)))
    y = out.tensors[op.outputs[0]]
    if shape == y.shape:
        return [op.replace(inputs=inputs)]
    whole = [s for s in sources if s is not None and out.tensors[s.outputs[0]].shape == y.shape]
    if not whole:
        return [op]
    name = out.add_tensor(Tensor(out.unique_name(f"{y.name}.short"), shape, y.dtype)).name
    short = op.replace(name=name, inputs=inputs, outputs=(name,))
    return [short, Op(op.name, "broadcast_to", (name, whole[0].inputs[1]), (y.name,))]
