"""Gradients of activation functions, and of normalizations over the last axis."""

from __future__ import annotations

from mcu_gen.graph import Node
from mcu_gen.train.builder import Builder
from mcu_gen.train.gradients.common import mul, name_of, scalar, scaled, sub, total
from mcu_gen.train.gradients.rules import rule

#: Functions whose slope follows from their output; of the others it follows from the input.
_BY_OUTPUT = ("logistic", "tanh", "elu")


@rule("relu", "relu6", "relu_n1_to_1")
def _clamp(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    return {0: b.one("clamp_grad", [dy, node.y.name], name_of(node, 0), activation=node.type)}


@rule("leaky_relu", "logistic", "tanh", "hard_swish", "elu", "gelu")
def _function(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    seen = node.y.name if node.type in _BY_OUTPUT else node.x.name
    attrs = {"activation": node.type, **node.op.attrs}
    return {0: b.one("activation_grad", [dy, seen], name_of(node, 0), **attrs)}


def _last(node: Node) -> list[int]:
    return [len(node.x.shape) - 1]


@rule("softmax")
def _softmax(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    """beta y (dy - sum of dy y)."""
    del wanted
    name, y = name_of(node, 0), node.y.name
    mean = total(b, mul(b, dy, y, name), _last(node), name)
    away = mul(b, sub(b, dy, mean, name), y, name)
    return {0: scaled(b, away, node.float_attr("beta"), name)}


@rule("log_softmax")
def _log_softmax(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    """dy - softmax(x) (sum of dy)."""
    del wanted
    name = name_of(node, 0)
    p = b.one("softmax", [node.x.name], name, beta=1.0)
    return {0: sub(b, dy, mul(b, p, total(b, dy, _last(node), name), name), name)}


@rule("l2_normalization")
def _l2_normalization(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    """(dy - y (sum of dy y)) / norm; where the norm is below its least value, it is that number: dy / norm."""
    del wanted
    name, x, y = name_of(node, 0), node.x.name, node.y.name
    squares = total(b, b.one("square", [x], name), _last(node), name)
    least = scalar(b, 1e-12, x, f"{name}.least")
    inverse = b.one("rsqrt", [b.one("maximum", [squares, least], name)], name)
    part = total(b, mul(b, dy, y, name), _last(node), name)
    part = b.one("clamp_grad", [part, sub(b, squares, least, name)], name, activation="relu")
    return {0: mul(b, sub(b, dy, mul(b, y, part, name), name), inverse, name)}
