"""Gradient of MAX_POOL_2D: every output hands dy to the largest input of its window, to the first one among equals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mcu_gen.graph import Node, TensorType, register
from mcu_gen.ops import spatial
from mcu_gen.ops.gradient import Gradient, forward_window, present, scatter


@register
class MaxPool2DGrad(Gradient):
    """dy [N, OH, OW, C], x [N, H, W, C] (the pool's input) -> dx like x."""

    name = "max_pool2d_grad"

    def half_inputs(self, node: Node) -> tuple[int, ...]:
        """Where no two windows see one pixel: a sum of two gradients would be rounded twice."""
        apart = all(node.int_attr(f"stride_{a}") >= node.int_attr(f"filter_{a}") for a in "hw")
        return (0, 1) if apart else ()

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(node.input(1).shape, node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        dy, x = present(inputs, 0), present(inputs, 1)
        window = forward_window(node, x.shape, ())
        seen = np.stack([s for _, _, s in spatial.taps(x, window, -np.inf)])
        winner = seen.argmax(axis=0)

        def parts() -> Iterator[tuple[int, int, np.ndarray]]:
            width = node.int_attr("filter_w")
            for tap in range(len(seen)):
                yield tap // width, tap % width, np.where(winner == tap, dy, np.float32(0))

        return [scatter(window, parts()).astype(np.float32)]
