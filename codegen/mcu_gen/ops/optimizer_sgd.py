"""Stochastic gradient descent over batches: w -= rate * g."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, register
from mcu_gen.ops.optimizer import Optimizer


@register
class OptimizerSgd(Optimizer):
    """See :class:`mcu_gen.ops.optimizer.Optimizer`; no moments."""

    name = "optimizer_sgd"

    def change(
        self, node: Node, gradient: np.ndarray, rate: float, moments: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        return -rate * gradient, []
