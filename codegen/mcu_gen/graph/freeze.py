"""Freezing trained tensors at run time: which operators of a training step then do nothing.

An operator that writes a frozen tensor, or the sum of its gradients, leaves its variables as they are and hands on the
count of updates left out.  Bits of the variable :attr:`mcu_gen.graph.Training.frozen` say what is frozen.
"""

from __future__ import annotations

from mcu_gen.graph.ir import Graph, Node


def writers(graph: Graph) -> dict[str, int]:
    """Operators that write a trained tensor or the sum of its gradients -> the number of that tensor."""
    training = graph.training
    if training is None:
        return {}
    number = {name: i for i, name in enumerate(training.trained)}
    found: dict[str, int] = {}
    sums: dict[str, int] = {}
    for op in graph.ops:
        own = [number[n] for n in op.outputs if n in number]
        if own:
            found[op.name] = own[0]
            sums.update(dict.fromkeys((n for n in op.outputs if graph.tensors[n].variable and n not in number), own[0]))
    for op in graph.ops:
        own = [sums[n] for n in op.outputs if n in sums]
        if own:
            found[op.name] = own[0]
    return found


def handed_on(node: Node) -> list[tuple[int, int]]:
    """``(output, input)`` of the results of a writer that are no variables: where it does nothing, one is the other."""
    pairs = []
    for o, y in enumerate(node.outputs):
        if not y.variable:
            same = [
                i
                for i, t in enumerate(node.inputs)
                if t is not None and not t.variable and (t.shape, t.dtype) == (y.shape, y.dtype)
            ]
            assert len(same) == 1, f"{node.name}: {y.name} is like {len(same)} inputs"
            pairs.append((o, same[0]))
    return pairs
