"""Mean squared error: the mean of (y - target)^2 over all elements, and its gradient 2 (y - target) / elements.

A step whose loss is not finite trains nothing: ``skipped`` is 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import DType, Node, TensorType, register
from mcu_gen.ops.gradient import Gradient, present


@register
class MeanSquaredError(Gradient):
    """y, target of the same shape -> loss [1], its gradient with respect to y, skipped int32 [1]."""

    name = "mean_squared_error"

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType((1,), node.x.dtype), TensorType(node.x.shape, node.x.dtype), TensorType((1,), DType.INT32)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        y, target = present(inputs, 0), present(inputs, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            difference = y.astype(np.float64) - target
            loss = np.array([(difference**2).mean()], np.float32)
            gradient = (difference * (2.0 / y.size)).astype(np.float32)
        return [loss, gradient, np.array([0 if np.isfinite(loss[0]) else 1], np.int32)]
