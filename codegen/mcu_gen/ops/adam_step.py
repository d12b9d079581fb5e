"""The bias correction of Adam: ``step`` with the rate times sqrt(1 - b2^t) / (1 - b1^t) in the place of the rate.

t counts the updates; the powers b1^t and b2^t are kept in a variable that holds (1, 1) before the first update.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, TensorType, register
from mcu_gen.ops.gradient import Gradient, present
from mcu_gen.ops.optimizer_adam import BETA1, BETA2


@register
class AdamStep(Gradient):
    """step [2], factor [1], powers [2] -> corrected step [2], powers; nothing changes where there is no update."""

    name = "adam_step"

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType((2,), node.x.dtype), TensorType((2,), node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        step, factor, powers = (present(inputs, i) for i in range(3))
        if factor[0] <= 0:
            return [step.copy(), powers.copy()]
        powers = powers * np.array([BETA1, BETA2], np.float32)
        correction = np.sqrt(np.float32(1) - powers[1]) / (np.float32(1) - powers[0])
        return [np.array([step[0] * correction, step[1]], np.float32), powers]
