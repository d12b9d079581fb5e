"""Gradients of the operators with weights: fully connected layers and convolutions."""

from __future__ import annotations

from mcu_gen.graph import Node
from mcu_gen.train.builder import Builder
from mcu_gen.train.gradients.common import name_of, window
from mcu_gen.train.gradients.rules import Parameter, rule, weight_and_bias


def _update_bias(b: Builder, node: Node, dy: str) -> None:
    if node.has_input(2) and node.input(2).variable:
        b.update("bias_update", [dy], node.input(2).name)


@rule("fully_connected", parameters=weight_and_bias)
def _fully_connected(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    found = {}
    x, w = node.x, node.input(1)
    if 0 in wanted:
        found[0] = b.one("fully_connected_grad_input", [dy, w.name], name_of(node, 0), shape=x.shape)
    if w.variable:
        b.update("fully_connected_update", [dy, x.name], w.name)
    _update_bias(b, node, dy)
    return found


@rule("conv2d", "depthwise_conv2d", parameters=weight_and_bias)
def _convolution(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    found = {}
    x, w = node.x, node.input(1)
    attrs = window(node)
    if 0 in wanted:
        found[0] = b.one(f"{node.type}_grad_input", [dy, w.name], name_of(node, 0), shape=x.shape, **attrs)
    if w.variable:
        b.update(f"{node.type}_update", [dy, x.name], w.name, **attrs)
    _update_bias(b, node, dy)
    return found


@rule("conv2d_grad_input", parameters=lambda node: [Parameter(1, "weight")])
def _transposed(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    """A transposed convolution is the gradient of a convolution, and the convolution is its gradient.

    Where that one has the output as its input, its output is what was the input here: in the update of the weights the
    two change places.
    """
    found = {}
    w, attrs = node.input(1), window(node)
    if 0 in wanted:
        more = {"activation": "none", "bias_type": "default"}
        found[0] = b.one("conv2d", [dy, w.name], name_of(node, 0), **attrs, **more)
    if w.variable:
        b.update("conv2d_update", [node.x.name, dy], w.name, **attrs)
    return found
