"""Gradient of AVERAGE_POOL_2D: every output spreads dy / count evenly over the inputs that its window saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mcu_gen.graph import Node, TensorType, register
from mcu_gen.ops import spatial
from mcu_gen.ops.gradient import Gradient, forward_window, present, scatter


@register
class AveragePool2DGrad(Gradient):
    """dy [N, OH, OW, C] -> dx of the attribute ``shape`` [N, H, W, C]."""

    name = "average_pool2d_grad"
    halves = (0,)

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(tuple(node.attr("shape")), node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        dy = present(inputs, 0).astype(np.float64)
        window = forward_window(node, node.y.shape, ())
        count = np.zeros((1, *dy.shape[1:3], 1))
        for _, _, seen in spatial.taps(np.ones((1, *node.y.shape[1:3], 1)), window, 0.0):
            count += seen
        share = dy / count

        def parts() -> Iterator[tuple[int, int, np.ndarray]]:
            for row in range(node.int_attr("filter_h")):
                for column in range(node.int_attr("filter_w")):
                    yield row, column, share

        return [scatter(window, parts()).astype(np.float32)]
