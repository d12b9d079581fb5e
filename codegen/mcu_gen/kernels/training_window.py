"""Kernels of a training step for operators with a sliding window: convolutions and pools."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.kernels.common import dilation_fields, taps_inside, weights_field, window_fields
from mcu_gen.kernels.contract import Call, In, Out, Value, variants
from mcu_gen.kernels.training import ALL, PLAIN, Floating, Update, Weighted
from mcu_gen.ops import spatial
from mcu_gen.ops.gradient import forward_window
from mcu_gen.targets import Target

#: Channels whose gradients C sums up at a time (``channel_block`` in ``_training.j2``).
CHANNEL_BLOCK = 16


def _fields(node: Node, x: Sequence[int], w: Sequence[int]) -> dict[str, Value]:
    """The forward operator's window; training runs on whole maps, so there are no pitches."""
    window = forward_window(node, x, w)
    fields = window_fields(window) | (dilation_fields(window) if w else {})
    return {name: value for name, value in fields.items() if name not in ("in_pitch", "out_pitch")}


def _tried(node: Node, w: Sequence[int], blocks: int) -> dict[str, float]:
    """Places of a window that ``blocks`` blocks of channels of every input pixel try, and the columns of rows that fit
    (``each_output`` in ``_training.j2``); ``w`` is the shape of the weights, () of a pool."""
    images, height, width, _ = node.y.shape
    window = forward_window(node, node.y.shape, w)
    h, columns = spatial.geometry(window)
    _, rows = taps_inside(window)
    return {
        "tried row": images * height * width * h.taps * blocks,
        "tried": rows // node.x.shape[2] * width * columns.taps * blocks,
    }


@variants(*ALL)
class Conv2DGradInput(Weighted):
    """Input pixel by input pixel, four channels at a time; any window, any groups."""

    name = "conv2d_grad_input"
    ops = ("conv2d_grad_input",)

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        channels, _, _, depth = node.input(1).shape
        groups = node.y.shape[3] // depth
        fours, rest = (groups * n for n in divmod(depth, 4))
        pixels = node.y.elements // node.y.shape[3]
        taps, _ = taps_inside(forward_window(node, node.y.shape, node.input(1).shape))
        return {
            "call": 1,
            "pixel": pixels,
            "four": pixels * fours,
            "four tap": taps * fours,
            "four step": taps * fours * (channels // groups),
            "one": pixels * rest,
            "one tap": taps * rest,
            "one step": taps * rest * (channels // groups),
        } | _tried(node, node.input(1).shape, fours + rest)

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

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        x, w = node.input(1).shape, node.input(2).shape
        groups = x[3] // w[3]
        pairs, odd = (groups * n for n in divmod(w[0] // groups, 2))
        fours, rest = divmod(w[3], 4)
        pixels, _ = taps_inside(forward_window(node, x, w))
        h, _ = spatial.geometry(forward_window(node, x, w))
        position = h.origins()[:, None] + np.arange(h.taps) * h.dilation
        rows = x[0] * w[2] * int(((position >= 0) & (position < h.size)).sum())
        blocks, ones = pairs * fours, 2 * pairs * rest + odd * w[3]
        return {
            "call": 1,
            "peak": node.x.elements + node.input(1).elements,
            "weight": node.input(2).elements,
            "block": w[1] * w[2] * blocks,
            "block row": rows * blocks,
            "block step": pixels * blocks,
            "one": w[1] * w[2] * ones,
            "one row": rows * ones,
            "one step": pixels * ones,
        }

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

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        channels, filters = node.y.shape[3], node.input(1).shape[3]
        taps, _ = taps_inside(forward_window(node, node.y.shape, node.input(1).shape))
        pixels, blocks = node.y.elements // channels, -(-channels // CHANNEL_BLOCK)
        return {
            "call": 1,
            "pixel": pixels,
            "block": pixels * blocks,
            "element": node.y.elements,
            "block tap": taps * blocks,
            "tap": taps * channels,
            "mac": taps * filters,
        } | _tried(node, node.input(1).shape, blocks)

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

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        taps, _ = taps_inside(forward_window(node, node.input(1).shape, node.input(2).shape))
        return {
            "call": 1,
            "peak": node.x.elements + node.input(1).elements,
            "weight": node.input(2).elements,
            "mac": taps * node.input(2).shape[3],
        }

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

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        channels = node.y.shape[3]
        pixels, blocks = node.y.elements // channels, -(-channels // CHANNEL_BLOCK)
        taps, _ = taps_inside(forward_window(node, node.y.shape, ()))
        return {
            "call": 1,
            "pixel": pixels,
            "block": pixels * blocks,
            "block tap": taps * blocks,
            "tap": taps * channels,
            "element": node.y.elements,
        } | _tried(node, (), blocks)

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

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        places = node.x.elements // node.x.shape[3] * node.int_attr("filter_h") * node.int_attr("filter_w")
        return {
            "call": 1,
            "pixel": node.y.elements // node.y.shape[3],
            "element": node.y.elements,
            "output": node.x.elements,
            "place": places,
            "tap": places * node.x.shape[3],
        }

    def call(self, node: Node, target: Target) -> Call:
        del target
        return Call(_fields(node, node.input(1).shape, ()), (In(0), In(1), Out(0)))
