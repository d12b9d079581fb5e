"""Batch normalization (Ioffe and Szegedy 2015) by running statistics.

y = gamma (x - mean) / sqrt(variance + epsilon) + beta.  It exists in graphs that train and in no model file: converters
fold it.  ``batch_norm_statistics`` moves the statistics.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, TensorType, register
from mcu_gen.ops.fixed_point import activation_bounds_f32
from mcu_gen.ops.gradient import Gradient, present


@register
class BatchNorm(Gradient):
    """x [..., C], gamma [C], beta [C], statistics [2, C] (mean, variance) -> y like x; a fused activation."""

    name = "batch_norm"
    halves = (0,)

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(node.x.shape, node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x, gamma, beta, statistics = (present(inputs, i).astype(np.float64) for i in range(4))
        low, high = activation_bounds_f32(node.str_attr("activation"))
        factor = gamma / np.sqrt(statistics[1] + node.float_attr("epsilon"))
        y = factor * (x - statistics[0]) + beta
        return [np.clip(y, low, high).astype(np.float32)]
