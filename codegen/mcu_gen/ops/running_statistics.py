"""Mean and sum of squared differences of every channel of a stream, row by row (Welford 1962).

    count <- count + 1;  away = x - mean;  mean <- mean + away / count;  squares <- squares + away (x - mean)

From ``most`` rows on the count stays and the squares are scaled with it: what is older is then forgotten exponentially.
A sample that holds 2^50 and more, or no number, does not count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, TensorType, register
from mcu_gen.ops.gradient import Gradient, peak, present, rows_of

#: The squares of numbers below this, and their sums, are finite.
LARGEST_INPUT = 2.0**50

#: Rows from which on the oldest ones fade.
MOST = 1 << 16


@register
class RunningStatistics(Gradient):
    """x [..., C], statistics [2, C], count float32 [1] -> statistics, count."""

    name = "running_statistics"

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(t.shape, t.dtype) for t in (node.input(1), node.input(2))]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x, statistics, count = (present(inputs, i) for i in range(3))
        if not peak(x) < LARGEST_INPUT:
            return [statistics.copy(), count.copy()]
        (mean, squares), rows = statistics.astype(np.float64), float(count[0])
        for row in rows_of(x):
            if rows >= MOST:
                squares = squares * (1 - 1 / MOST)
            rows = min(rows + 1, MOST)
            away = row - mean
            mean = mean + away / rows
            squares = squares + away * (row - mean)
        return [np.stack([mean, squares]).astype(np.float32), np.array([rows], np.float32)]
