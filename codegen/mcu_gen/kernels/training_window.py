"""Kernels of a training step for operators with a sliding window: convolutions and pools."""

from __future__ import annotations

from collections.abc import Sequence

from mcu_gen.graph import Node, operator
from mcu_gen.kernels.common import dilation_fields, weights_field, window_fields
from mcu_gen.kernels.contract import Call, In, Out, Value, variants
from mcu_gen.kernels.training import ALL, PLAIN, Floating, Update, Weighted
from mcu_gen.ops.gradient import forward_window
from mcu_gen.targets import Target


def _fields(node: Node, x: Sequence[int], w: Sequence[int]) -> dict[str, Value]:
    """The forward operator's window; training runs on whole maps, so there are no pitches."""
    window = forward_window(node, x, w)
    fields = window_fields(window) | (dilation_fields(window) if w else {})
    return {name: value for name, value in fields.items() if name not in ("in_pitch", "out_pitch")}


@variants(*ALL)
class Conv2DGradInput(Weighted):
    """Input pixel by input pixel, four channels at a time; any window, any groups."""

    name = "conv2d_grad_input"
    ops = ("conv2d_grad_input",)

    def cost(self, node: Node, target: Target) -> int:
        del target
        return 4 * operator(node.type).macs(node) + 5 * node.y.elements

    def call(self, node: Node, target: Target) -> Call:
        del target
        channels, _, _, depth = node.input(1).shape
        groups = node.y.shape[3] // depth
        own: dict[str, Value] = {
            "filter_c": depth,
            "groups": groups,
            "group_c": channels // groups,
            "weights": weights_field(node),
        }
        return Call(_fields(node, node.y.shape, node.input(1).shape) | own)


@variants(*ALL)
class Conv2DUpdate(Update):
    """Gradient and update of two filters and four input channels at a time, from sums in registers."""

    name = "conv2d_update"
    ops = ("conv2d_update",)

    def cost(self, node: Node, target: Target) -> int:
        del target
        return 3 * operator(node.type).macs(node) + 6 * (node.x.elements + node.input(1).elements)

    def call(self, node: Node, target: Target) -> Call:
        del target
        x, w = node.input(1).shape, node.input(2).shape
        own: dict[str, Value] = {"filter_c": w[3], "group_c": w[0] // (x[3] // w[3]), "out_c": w[0]}
        return Call(_fields(node, x, w) | own, self.operands(node))


@variants(*ALL)
class DepthwiseConv2DGradInput(Weighted):
    """Input pixel by input pixel; any window, any depth multiplier."""

    name = "depthwise_conv2d_grad_input"
    ops = ("depthwise_conv2d_grad_input",)

    def cost(self, node: Node, target: Target) -> int:
        del target
        return 10 * operator(node.type).macs(node) + 5 * node.y.elements

    def call(self, node: Node, target: Target) -> Call:
        del target
        w = node.input(1).shape
        own: dict[str, Value] = {"depth_multiplier": w[3] // node.y.shape[3], "weights": weights_field(node)}
        return Call(_fields(node, node.y.shape, w) | own)


@variants(*ALL)
class DepthwiseConv2DUpdate(Update):
    """Gradient and update of one weight after the other."""

    name = "depthwise_conv2d_update"
    ops = ("depthwise_conv2d_update",)

    def cost(self, node: Node, target: Target) -> int:
        del target
        return 7 * operator(node.type).macs(node) + 6 * (node.x.elements + node.input(1).elements)

    def call(self, node: Node, target: Target) -> Call:
        del target
        x, w = node.input(1).shape, node.input(2).shape
        own: dict[str, Value] = {"depth_multiplier": w[3] // x[3]}
        return Call(_fields(node, x, w) | own, self.operands(node))


@variants(*PLAIN)
class AveragePool2DGrad(Floating):
    """Input pixel by input pixel."""

    name = "average_pool2d_grad"
    ops = ("average_pool2d_grad",)

    def cost(self, node: Node, target: Target) -> int:
        del target
        return 20 * node.x.elements * node.int_attr("filter_h") * node.int_attr("filter_w") + 5 * node.y.elements

    def call(self, node: Node, target: Target) -> Call:
        del target
        return Call(_fields(node, node.y.shape, ()))


@variants(*PLAIN)
class MaxPool2DGrad(Floating):
    """Output pixels in order.  Halves where no two windows see the same pixel: their sum would be rounded twice."""

    name = "max_pool2d_grad"
    ops = ("max_pool2d_grad",)

    def rejects(self, node: Node, target: Target) -> str | None:
        apart = all(node.int_attr(f"stride_{a}") >= node.int_attr(f"filter_{a}") for a in "hw")
        if self.elements["x"] == "f16" and not apart:
            return "windows overlap"
        return super().rejects(node, target)

    def cost(self, node: Node, target: Target) -> int:
        del target
        return 12 * node.x.elements * node.int_attr("filter_h") * node.int_attr("filter_w") + 5 * node.y.elements

    def call(self, node: Node, target: Target) -> Call:
        del target
        return Call(_fields(node, node.input(1).shape, ()), (In(0), In(1), Out(0)))
