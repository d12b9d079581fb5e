"""Standardizes a stream: (x - mean) / deviation per channel, by the statistics of what was seen before.

While fewer than two rows were seen, or where a channel never changed, the result is 0.  ``running_statistics`` keeps
mean, sum of squared differences and count (Welford 1962).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, TensorType, register
from mcu_gen.ops.gradient import Gradient, present

#: Standardized numbers stay within these bounds: a channel that hardly changed may jump.
LARGEST = 16.0


@register
class Standardize(Gradient):
    """x [..., C], statistics [2, C] (mean, sum of squared differences), count [1] -> y like x."""

    name = "standardize"

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(node.x.shape, node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x, statistics, count = (present(inputs, i) for i in range(3))
        mean, squares = statistics.astype(np.float64)
        known = (count[0] >= 2) & (squares > 0)
        deviation = np.sqrt(np.where(known, squares, 1.0) / max(float(count[0]), 1.0))
        y = np.where(known, (x.astype(np.float64) - mean) / deviation, 0.0)
        return [np.clip(y, -LARGEST, LARGEST).astype(np.float32)]
