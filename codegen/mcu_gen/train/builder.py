"""A graph under construction: appends operators with inferred shapes and unique names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from mcu_gen.graph import Graph, Node, Op, Tensor, operator
from mcu_gen.train.half import legal_inputs


class Applier(Protocol):
    """Takes update operators (see :mod:`mcu_gen.train.updates`)."""

    def add(self, op: str, inputs: list[str], variable: str, attrs: Mapping[str, Any]) -> None: ...


class Builder:
    """Appends the operators of the backward pass to ``graph``."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        #: set before the first gradient rule is applied
        self.updates: Applier | None = None
        #: the operator of the network whose gradients are being made
        self.origin = ""

    def tensor(self, name: str) -> Tensor:
        return self.graph.tensors[name]

    def add(
        self, type: str, inputs: Sequence[str | None], names: Sequence[str], attrs: Mapping[str, Any] | None = None
    ) -> list[str]:
        """An operator whose outputs are new tensors, called ``names`` or similar; returns their names."""
        impl = operator(type)
        draft = Op("", type, tuple(inputs), (), dict(attrs or {}))
        inputs = legal_inputs(self.graph, self.graph.node(draft), self.origin)
        outputs: list[str] = []
        for base in names:
            name = self.graph.unique_name(base)
            self.graph.add_tensor(Tensor(name, (), self.tensor(str(inputs[0])).dtype))
            outputs.append(name)
        op = Op(outputs[0], type, tuple(inputs), tuple(outputs), dict(attrs or {}), self.origin)
        for name, found in zip(outputs, impl.infer(self.graph.node(op)), strict=True):
            self.graph.tensors[name] = Tensor(name, found.shape, found.dtype)
        self.graph.ops.append(op)
        return outputs

    def one(self, type: str, inputs: Sequence[str], name: str, **attrs: Any) -> str:
        """An operator with one output."""
        return self.add(type, inputs, [name], attrs)[0]

    def update(self, type: str, inputs: Sequence[str], variable: str, **attrs: Any) -> None:
        """An operator that computes the gradient of ``variable`` from ``inputs`` and applies it."""
        assert self.updates is not None
        self.updates.add(type, list(inputs), variable, attrs)

    def node(self, op: Op) -> Node:
        return self.graph.node(op)
