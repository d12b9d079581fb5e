"""SGD with momentum (Polyak 1964, as in Keras): m = momentum * m - rate * g; w += m."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, register
from mcu_gen.ops.optimizer import Optimizer


@register
class OptimizerMomentum(Optimizer):
    """See :class:`mcu_gen.ops.optimizer.Optimizer`; one moment, the attribute ``momentum``."""

    name = "optimizer_momentum"
    moments = 1

    def change(
        self, node: Node, gradient: np.ndarray, rate: float, moments: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        velocity = node.float_attr("momentum") * moments[0] - rate * gradient
        return velocity, [velocity]
