"""The gradient rule of every operator that can be trained through.

A rule gets the gradient of the operator's output and gives those of its inputs, as tensors that it adds to the graph,
and the updates of its weights.  The gradient with respect to the input comes before the update of the weights that it
is computed from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcu_gen.graph import Node
from mcu_gen.ops.mean import axes_of
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


def _grad(node: Node, index: int) -> str:
    return f"{node.input(index).name}.grad"


def _update_bias(b: Builder, node: Node, dy: str) -> None:
    if node.has_input(2) and node.input(2).variable:
        b.update("bias_update", [dy], node.input(2).name)


@rule("fully_connected")
def _fully_connected(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    found = {}
    x, w = node.x, node.input(1)
    if 0 in wanted:
        found[0] = b.one("fully_connected_grad_input", [dy, w.name], _grad(node, 0), shape=x.shape)
    if w.variable:
        b.update("fully_connected_update", [dy, x.name], w.name)
    _update_bias(b, node, dy)
    return found


_WINDOW = ("stride_h", "stride_w", "dilation_h", "dilation_w", "padding", "pad", "filter_h", "filter_w")


def _window(node: Node) -> dict[str, Any]:
    """Attributes of a sliding window."""
    return {name: node.op.attrs[name] for name in _WINDOW if name in node.op.attrs}


@rule("conv2d", "depthwise_conv2d")
def _convolution(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    found = {}
    x, w = node.x, node.input(1)
    window = _window(node)
    if 0 in wanted:
        found[0] = b.one(f"{node.type}_grad_input", [dy, w.name], _grad(node, 0), shape=x.shape, **window)
    if w.variable:
        b.update(f"{node.type}_update", [dy, x.name], w.name, **window)
    _update_bias(b, node, dy)
    return found


@rule("average_pool2d")
def _average_pool2d(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    return {0: b.one("average_pool2d_grad", [dy], _grad(node, 0), shape=node.x.shape, **_window(node))}


@rule("max_pool2d")
def _max_pool2d(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    return {0: b.one("max_pool2d_grad", [dy, node.x.name], _grad(node, 0), **_window(node))}


def _averages_maps(node: Node) -> str | None:
    if len(node.x.shape) == 4 and axes_of(node) == (1, 2):
        return None
    return f"the mean is over the axes {list(axes_of(node))} of {list(node.x.shape)}, supported are height and width"


@rule("mean", limit=_averages_maps)
def _mean(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    """The mean over height and width is an average pool with a window as large as the map."""
    del wanted
    n, h, w, c = node.x.shape
    dy = b.one("reshape", [dy], f"{node.y.name}.grad", new_shape=(n, 1, 1, c))
    window = {"stride_h": 1, "stride_w": 1, "padding": "valid", "filter_h": h, "filter_w": w}
    return {0: b.one("average_pool2d_grad", [dy], _grad(node, 0), shape=node.x.shape, **window)}


@rule("reshape", "squeeze", "expand_dims")
def _reshape(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    return {0: b.one("reshape", [dy], _grad(node, 0), new_shape=node.x.shape)}


@rule("dequantize")
def _to_float(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    """A half read as a float32 number."""
    del wanted
    return {0: b.one("to_half", [dy], _grad(node, 0))}


@rule("to_half")
def _to_half(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    return {0: b.one("dequantize", [dy], _grad(node, 0))}


@rule("relu", "relu6")
def _clamp(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    return {0: b.one("clamp_grad", [dy, node.y.name], _grad(node, 0), activation=node.type)}


def _same_shapes(node: Node) -> str | None:
    shapes = [list(node.input(i).shape) for i in (0, 1)]
    return (
        None if shapes[0] == shapes[1] else f"the inputs have the shapes {shapes[0]} and {shapes[1]}, which must agree"
    )


@rule("add", limit=_same_shapes)
def _add(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del b, node
    return dict.fromkeys(wanted, dy)
