"""Gradient of CONV_2D with respect to its weights, applied as it is made: w += step * sum over pixels of dy * x."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, register
from mcu_gen.ops import spatial
from mcu_gen.ops.gradient import Update, forward_window, present


@register
class Conv2DUpdate(Update):
    """dy [N, OH, OW, OC], x [N, H, W, C], weights [OC, KH, KW, C / groups], step, skipped -> weights, skipped."""

    name = "conv2d_update"

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        dy, x, w = (present(inputs, i) for i in range(3))
        channels, _, _, depth = w.shape
        groups = x.shape[3] // depth
        of_group = dy.astype(np.float64).reshape(*dy.shape[:3], groups, channels // groups)
        gradient = np.zeros(w.shape)
        with np.errstate(over="ignore", invalid="ignore"):
            for row, column, seen in spatial.taps(x.astype(np.float64), forward_window(node, x.shape, w.shape), 0.0):
                pixels = seen.reshape(*dy.shape[:3], groups, depth)
                tap = np.einsum("nhwgo,nhwgc->goc", of_group, pixels)
                gradient[:, row, column] = tap.reshape(channels, depth)
            return self.applied(node, inputs, gradient, (dy, x), dy.size // channels)

    def macs(self, node: Node) -> int:
        _, height, width, depth = node.input(2).shape
        return node.x.elements * height * width * depth
