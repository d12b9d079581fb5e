"""Gradient of DEPTHWISE_CONV_2D with respect to its input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mcu_gen.graph import Node, TensorType, register
from mcu_gen.ops.gradient import Gradient, forward_window, present, scatter


@register
class DepthwiseConv2DGradInput(Gradient):
    """dy [N, OH, OW, C * M], weights [1, KH, KW, C * M] -> dx of the attribute ``shape`` [N, H, W, C]."""

    name = "depthwise_conv2d_grad_input"
    halves = (0,)
    half_weights = (1,)

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(tuple(node.attr("shape")), node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        dy, w = present(inputs, 0).astype(np.float64), present(inputs, 1).astype(np.float64)
        channels = node.y.shape[3]

        def parts() -> Iterator[tuple[int, int, np.ndarray]]:
            for row in range(w.shape[1]):
                for column in range(w.shape[2]):
                    part = (dy * w[0, row, column]).reshape(*dy.shape[:3], channels, -1)
                    yield row, column, part.sum(axis=4)

        return [scatter(forward_window(node, node.y.shape, w.shape), parts()).astype(np.float32)]

    def macs(self, node: Node) -> int:
        _, height, width, _ = node.input(1).shape
        return node.x.elements * height * width
