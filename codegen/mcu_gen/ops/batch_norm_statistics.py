"""Moves the running statistics of a batch normalization towards those of the pixels of one step.

With the momentum m and the step's own mean and variance per channel:

    mean     <- m mean + (1 - m) step mean
    variance <- m variance + (1 - m) step variance + m (1 - m) (step mean - mean)^2

These are mean and variance of everything seen so far, weighted by m to the power of its age: the last term, which
batches of many samples can do without, is the variance between steps (Chiley et al. 2019, "Online normalization for
training neural networks").  The learning rate plays no part.  Left out, and counted, where an earlier update was, or
where x holds 2^50 and more, or no number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, register
from mcu_gen.ops.gradient import Update, peak, present, rows_of

#: The squares of numbers below this, and their sums, are finite.
LARGEST_INPUT = 2.0**50


@register
class BatchNormStatistics(Update):
    """x [..., C], statistics [2, C], step [2], skipped [1] -> statistics, skipped."""

    name = "batch_norm_statistics"
    operands = 1
    direct = True

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x, statistics, skipped = present(inputs, 0), present(inputs, 1), present(inputs, 3)
        if skipped[0] != 0 or not peak(x) < LARGEST_INPUT:
            return [statistics.copy(), skipped + np.int32(1)]
        m = float(np.float32(node.float_attr("momentum")))
        old, rows = statistics.astype(np.float64), rows_of(x)
        away = rows.mean(axis=0) - old[0]
        mean = old[0] + (1 - m) * away
        variance = m * old[1] + (1 - m) * (rows.var(axis=0) + m * away**2)
        return [np.stack([mean, variance]).astype(np.float32), skipped.copy()]
