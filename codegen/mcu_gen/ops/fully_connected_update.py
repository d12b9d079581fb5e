"""Gradient of FULLY_CONNECTED with respect to its weights, applied as it is made: W += step * dy^T x."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, register
from mcu_gen.ops.gradient import Update, present, rows_of


@register
class FullyConnectedUpdate(Update):
    """dy [R, N], x with rows of K, weights [N, K], step [2], skipped [1] -> weights, skipped."""

    name = "fully_connected_update"

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        dy, x, w = present(inputs, 0), present(inputs, 1), present(inputs, 2)
        gradient = np.zeros(w.shape)
        with np.errstate(over="ignore", invalid="ignore"):
            gradient += rows_of(dy).T @ x.reshape(-1, w.shape[1]).astype(np.float64)
            return self.applied(node, inputs, gradient, (dy, x), dy.size // w.shape[0])

    def macs(self, node: Node) -> int:
        return node.x.elements * int(node.input(2).shape[1])
