"""The registry of gradient rules.

A rule gets the gradient of the operator's output and gives those of its inputs, as tensors that it adds to the graph,
and the updates of its weights.  The gradient with respect to the input comes before the update of the weights that it
is computed from.  Beside the rule stands which inputs of the operator are trained, where they are constants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mcu_gen.graph import Node
from mcu_gen.train.builder import Builder

#: (builder, node, gradient of its output, inputs whose gradient is wanted) -> gradients by input index
Rule = Callable[[Builder, Node, str, frozenset[int]], dict[int, str]]

#: Says why a rule does not apply to a node, or nothing.
Limit = Callable[[Node], str | None]


class Parameter(NamedTuple):
    """An input that is trained: its number and its kind.

    ``weight`` is the matrix or the filters of a layer, ``bias`` is added and ``factor`` multiplied channel by channel,
    ``statistics`` are the running mean and variance of a normalization.
    """

    input: int
    kind: str


#: Says which inputs of a node are trained, where they are constants.
Parameters = Callable[[Node], Sequence[Parameter]]


class _Entry(NamedTuple):
    rule: Rule
    limit: Limit
    parameters: Parameters


_RULES: dict[str, _Entry] = {}

#: Operators that :mod:`mcu_gen.train.prepare` turns into others that have a rule.
LOWERED = ("split", "transpose_conv", "unpack")


def _nothing(node: Node) -> str | None:
    del node
    return None


def _none(node: Node) -> Sequence[Parameter]:
    del node
    return ()


def rule(*operators: str, limit: Limit = _nothing, parameters: Parameters = _none) -> Callable[[Rule], Rule]:
    """Decorator: the gradient rule of some operators, what it does not cover, and which inputs are trained."""

    def known(function: Rule) -> Rule:
        for name in operators:
            _RULES[name] = _Entry(function, limit, parameters)
        return function

    return known


def trainable_operators() -> list[str]:
    """Operators that gradients pass through."""
    return sorted([*_RULES, *LOWERED])


def refusal(node: Node) -> str | None:
    """Why no gradient passes through a node, or None."""
    found = _RULES.get(node.type)
    if found is None:
        return f"no gradient rule for operator {node.type}"
    return found.limit(node)


def weight_and_bias(node: Node) -> Sequence[Parameter]:
    """Weights are input 1, a bias is input 2."""
    return [Parameter(i, kind) for i, kind in ((1, "weight"), (2, "bias")) if node.has_input(i)]


def parameters(node: Node) -> Sequence[Parameter]:
    """The inputs of a node that are trained, where they are constants: what ``--train all`` trains of it."""
    if node.type == "transpose_conv":  # until it is lowered
        return weight_and_bias(node)
    found = _RULES.get(node.type)
    return () if found is None else found.parameters(node)


def backward(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    """Applies the rule of ``node``; the fused activation first."""
    activation = node.op.attrs.get("activation", "none")
    if activation != "none":
        dy = b.one("clamp_grad", [dy, node.y.name], f"{node.y.name}.grad", activation=activation)
    return _RULES[node.type].rule(b, node, dy, wanted)
