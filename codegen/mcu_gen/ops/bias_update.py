"""Gradient of a bias, applied as it is made: b += step * (sum of dy over everything but the channels)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, register
from mcu_gen.ops.gradient import Update, present, rows_of


@register
class BiasUpdate(Update):
    """dy [..., N], bias [N], step [2], skipped [1] -> bias, skipped."""

    name = "bias_update"
    operands = 1

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        dy, b = present(inputs, 0), present(inputs, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            return self.applied(node, inputs, rows_of(dy).sum(axis=0).reshape(b.shape), (dy,), dy.size // b.size)
