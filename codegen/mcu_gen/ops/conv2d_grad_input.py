"""Gradient of CONV_2D with respect to its input: every output adds dy * filter to the inputs that its window saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mcu_gen.graph import Node, TensorType, register
from mcu_gen.ops.gradient import Gradient, forward_window, present, scatter


@register
class Conv2DGradInput(Gradient):
    """dy [N, OH, OW, OC], weights [OC, KH, KW, C / groups] -> dx of the attribute ``shape`` [N, H, W, C]."""

    name = "conv2d_grad_input"
    halves = (0,)
    half_weights = (1,)

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(tuple(node.attr("shape")), node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        dy, w = present(inputs, 0).astype(np.float64), present(inputs, 1).astype(np.float64)
        window = forward_window(node, node.y.shape, w.shape)
        channels, height, width, depth = w.shape
        groups = node.y.shape[3] // depth
        of_group = dy.reshape(*dy.shape[:3], groups, channels // groups)
        filters = w.reshape(groups, channels // groups, height, width, depth)

        def parts() -> Iterator[tuple[int, int, np.ndarray]]:
            for row in range(height):
                for column in range(width):
                    part = np.einsum("nhwgo,goc->nhwgc", of_group, filters[:, :, row, column])
                    yield row, column, part.reshape(*dy.shape[:3], node.y.shape[3])

        return [scatter(window, parts()).astype(np.float32)]

    def macs(self, node: Node) -> int:
        _, height, width, depth = node.input(1).shape
        return node.x.elements * height * width * depth
