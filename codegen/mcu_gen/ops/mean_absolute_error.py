"""Mean absolute error: the mean of |y - target| over all elements, and its gradient sign(y - target) / elements.

The sign of 0 is 0.  A step whose loss is not finite trains nothing: ``skipped`` is 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import DType, Node, TensorType, register
from mcu_gen.ops.gradient import Gradient, present


@register
class MeanAbsoluteError(Gradient):
    """y, target of the same shape -> loss [1], its gradient with respect to y, skipped int32 [1]."""

    name = "mean_absolute_error"

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType((1,), node.x.dtype), TensorType(node.x.shape, node.x.dtype), TensorType((1,), DType.INT32)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        y, target = present(inputs, 0), present(inputs, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            difference = y.astype(np.float64) - target
            loss = np.array([np.abs(difference).mean()], np.float32)
            gradient = (np.sign(difference) / y.size).astype(np.float32)
        return [loss, gradient, np.array([0 if np.isfinite(loss[0]) else 1], np.int32)]
