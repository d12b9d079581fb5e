"""Gradient of a factor that every row was multiplied by, applied as it is made: w += step * (sum over rows of dy x)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, register
from mcu_gen.ops.gradient import Update, present


@register
class MulUpdate(Update):
    """dy and x with rows of N, factor of N elements, step [2], skipped [1] -> factor, skipped."""

    name = "mul_update"

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        dy, x, w = present(inputs, 0), present(inputs, 1), present(inputs, 2)
        with np.errstate(over="ignore", invalid="ignore"):
            products = dy.reshape(-1, w.size).astype(np.float64) * x.reshape(-1, w.size)
            return self.applied(node, inputs, products.sum(axis=0).reshape(w.shape), (dy, x), dy.size // w.size)

    def macs(self, node: Node) -> int:
        return node.x.elements
