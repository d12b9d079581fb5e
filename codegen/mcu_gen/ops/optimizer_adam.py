"""Adam (Kingma and Ba 2015, end of section 2, as in Keras), with decoupled weight decay AdamW.

m += (g - m) (1 - b1); v += (g^2 - v) (1 - b2); w -= rate * m / (sqrt(v) + epsilon), with the rate corrected by
:mod:`mcu_gen.ops.adam_step`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, register
from mcu_gen.ops.optimizer import Optimizer

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-7


@register
class OptimizerAdam(Optimizer):
    """See :class:`mcu_gen.ops.optimizer.Optimizer`; two moments.  ``step`` holds the rate times the correction."""

    name = "optimizer_adam"
    moments = 2

    def change(
        self, node: Node, gradient: np.ndarray, rate: float, moments: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        del node
        m = moments[0] + (gradient - moments[0]) * (1 - BETA1)
        v = moments[1] + (gradient**2 - moments[1]) * (1 - BETA2)
        return -rate * m / (np.sqrt(v) + EPSILON), [m, v]
