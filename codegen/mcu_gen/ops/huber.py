"""Huber loss (Huber 1964) with delta 1: the mean of d^2 / 2 where |d| <= 1, of |d| - 1/2 elsewhere, d = y - target.

The gradient is d cut off at -1 and 1, divided by the number of elements.  A step whose loss is not finite trains
nothing: ``skipped`` is 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import DType, Node, TensorType, register
from mcu_gen.ops.gradient import Gradient, present


@register
class Huber(Gradient):
    """y, target of the same shape -> loss [1], its gradient with respect to y, skipped int32 [1]."""

    name = "huber"

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType((1,), node.x.dtype), TensorType(node.x.shape, node.x.dtype), TensorType((1,), DType.INT32)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        y, target = present(inputs, 0), present(inputs, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            difference = y.astype(np.float64) - target
            size = np.abs(difference)
            terms = np.where(size <= 1, 0.5 * difference**2, size - 0.5)
            loss = np.array([terms.mean()], np.float32)
            gradient = (np.clip(difference, -1, 1) / y.size).astype(np.float32)
        return [loss, gradient, np.array([0 if np.isfinite(loss[0]) else 1], np.int32)]
