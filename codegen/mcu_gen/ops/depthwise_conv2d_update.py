"""Gradient of DEPTHWISE_CONV_2D with respect to its weights, applied as it is made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, register
from mcu_gen.ops import spatial
from mcu_gen.ops.gradient import Update, forward_window, present


@register
class DepthwiseConv2DUpdate(Update):
    """dy [N, OH, OW, C * M], x [N, H, W, C], weights [1, KH, KW, C * M], step [2], skipped [1] -> weights, skipped."""

    name = "depthwise_conv2d_update"

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        dy, x, w = (present(inputs, i) for i in range(3))
        spread = np.repeat(x.astype(np.float64), w.shape[3] // x.shape[3], axis=3)
        gradient = np.zeros(w.shape)
        with np.errstate(over="ignore", invalid="ignore"):
            for row, column, seen in spatial.taps(spread, forward_window(node, x.shape, w.shape), 0.0):
                gradient[0, row, column] = (dy * seen).sum(axis=(0, 1, 2))
            return self.applied(node, inputs, gradient, (dy, x), dy.size // w.shape[3])

    def macs(self, node: Node) -> int:
        _, height, width, _ = node.input(2).shape
        return node.x.elements * height * width
