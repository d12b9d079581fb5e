"""What the passes share: who writes and who reads a tensor, and replacing one by another."""

from __future__ import annotations

from collections.abc import Iterable

from mcu_gen.graph import Graph, Node, Op, Tensor, check, operator


class Uses:
    """Producer and consumers of every tensor of a graph, looked up in constant time."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.producer: dict[str, Op] = {name: op for op in graph.ops for name in op.outputs}
        self.consumers: dict[str, list[Op]] = {}
        for op in graph.ops:
            for name in dict.fromkeys(n for n in op.inputs if n is not None):
                self.consumers.setdefault(name, []).append(op)

    def is_inner(self, name: str) -> bool:
        """Whether a tensor is an ordinary intermediate: computed, not an output of the graph, not state."""
        return name in self.producer and name not in self.graph.outputs and not self.graph.tensors[name].variable

    def only_consumer(self, name: str) -> Op | None:
        """The one operator that reads an inner tensor, or None when there are more, or it is not an inner one."""
        readers = self.consumers.get(name, [])
        return readers[0] if len(readers) == 1 and self.is_inner(name) else None


def same_type(a: Tensor, b: Tensor) -> bool:
    """Whether the elements of both mean the same: type, scale and zero point."""
    same_quant = a.quant is None if b.quant is None else b.quant.same_as(a.quant)
    return a.dtype is b.dtype and same_quant


def is_legal(node: Node) -> bool:
    """Whether a rewritten operator is supported and gives the outputs that its tensors say."""
    if check(node):
        return False
    try:
        inferred = operator(node.type).infer(node)
    except ValueError:
        return False
    return [(t.shape, t.dtype) for t in inferred] == [(t.shape, t.dtype) for t in node.outputs]


def with_ops(graph: Graph, ops: Iterable[Op]) -> Graph:
    """``graph`` with other operators; unused tensors stay until the last pass removes them."""
    out = graph.copy()
    out.ops = list(ops)
    return out


def renamed(op: Op, names: dict[str, str]) -> Op:
    """``op`` with the inputs and outputs in ``names`` replaced."""
    if not any(n in names for n in (*op.inputs, *op.outputs) if n is not None):
        return op
    return op.replace(
        inputs=tuple(None if n is None else names.get(n, n) for n in op.inputs),
        outputs=tuple(names.get(n, n) for n in op.outputs),
    )
