"""Gradient of ReLU, ReLU6 and of every fused activation that is a clamp: dy where the output lies inside the bounds.

At the bounds themselves the gradient is 0, as TensorFlow has it for ReLU and ReLU6.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, TensorType, register
from mcu_gen.ops.fixed_point import activation_bounds_f32
from mcu_gen.ops.gradient import Gradient, present


@register
class ClampGrad(Gradient):
    """dy, y (the activation's output) -> dx, all of one shape; the attribute ``activation`` names the clamp."""

    name = "clamp_grad"
    halves = (0, 1)

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(node.x.shape, node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        dy, y = present(inputs, 0), present(inputs, 1)
        low, high = activation_bounds_f32(node.str_attr("activation"))
        return [np.where((y > np.float32(low)) & (y < np.float32(high)), dy, np.float32(0))]
