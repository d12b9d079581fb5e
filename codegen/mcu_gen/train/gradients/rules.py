"""The registry of gradient rules.

A rule gets the gradient of the operator's output and gives those of its inputs, as tensors that it adds to the graph,
and the updates of its weights.  The gradient with respect to the input comes before the update of the weights that it
is computed from.
"""

from __future__ import annotations

from collections.abc import Callable

from mcu_gen.graph import Node
from mcu_gen.train.builder import Builder

#: (builder, node, gradient of its output, inputs whose gradient is wanted) -> gradients by input index
Rule = Callable[[Builder, Node, str, frozenset[int]], dict[int, str]]

#: Says why a rule does not apply to a node, or nothing.
Limit = Callable[[Node], str | None]

_RULES: dict[str, tuple[Rule, Limit]] = {}


def _nothing(node: Node) -> str | None:
    del node
    return None


def rule(*operators: str, limit: Limit = _nothing) -> Callable[[Rule], Rule]:
    """Decorator: the gradient rule of some operators."""

    def known(function: Rule) -> Rule:
        for name in operators:
            _RULES[name] = (function, limit)
        return function

    return known


def trainable_operators() -> list[str]:
    """Operators that gradients pass through."""
    return sorted([*_RULES, "softmax"])


def refusal(node: Node) -> str | None:
    """Why no gradient passes through a node, or None."""
    found = _RULES.get(node.type)
    if found is None:
        return f"no gradient rule for operator {node.type}"
    return found[1](node)


def backward(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    """Applies the rule of ``node``; the fused activation first."""
    activation = node.op.attrs.get("activation", "none")
    if activation != "none":
        dy = b.one("clamp_grad", [dy, node.y.name], f"{node.y.name}.grad", activation=activation)
    return _RULES[node.type][0](b, node, dy, wanted)
