"""A graph under construction: appends operators with inferred shapes and unique names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mcu_gen.graph import Graph, Node, Op, Tensor, operator


class Builder:
    """Appends the operators of the backward pass to ``graph``."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        #: names of the learning rate (a variable) and of the count of updates left out so far
        self.rate = ""
        self.skipped = ""
        #: variables that updates write
        self.updated: list[str] = []
        #: the operator of the network whose gradients are being made
        self.origin = ""

    def tensor(self, name: str) -> Tensor:
        return self.graph.tensors[name]

    def add(
        self, type: str, inputs: Sequence[str], names: Sequence[str], attrs: Mapping[str, Any] | None = None
    ) -> list[str]:
        """An operator whose outputs are new tensors, called ``names`` or similar; returns their names."""
        impl = operator(type)
        outputs: list[str] = []
        for base in names:
            name = self.graph.unique_name(base)
            self.graph.add_tensor(Tensor(name, (), self.tensor(inputs[0]).dtype))
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
        """An operator that applies a gradient to ``variable`` in place."""
        skipped = self.graph.unique_name(f"{variable}.skipped")
        self.graph.add_tensor(self.tensor(self.skipped).replace(name=skipped))
        name = self.graph.unique_name(f"{variable}.update")
        inputs = (*inputs, variable, self.rate, self.skipped)
        self.graph.ops.append(Op(name, type, inputs, (variable, skipped), dict(attrs), self.origin))
        self.skipped = skipped
        self.updated.append(variable)

    def node(self, op: Op) -> Node:
        return self.graph.node(op)
