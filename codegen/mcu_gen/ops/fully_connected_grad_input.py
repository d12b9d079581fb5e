"""Gradient of FULLY_CONNECTED with respect to its input: dx = dy W."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, TensorType, register
from mcu_gen.ops.gradient import Gradient, present, rows_of


@register
class FullyConnectedGradInput(Gradient):
    """dy [..., N], weights [N, K] -> dx of the attribute ``shape``, which holds rows of K."""

    name = "fully_connected_grad_input"
    halves = (0,)
    half_weights = (1,)

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(tuple(node.attr("shape")), node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        dy, w = present(inputs, 0), present(inputs, 1)
        return [(rows_of(dy) @ w.astype(np.float64)).astype(np.float32).reshape(node.y.shape)]

    def macs(self, node: Node) -> int:
        return node.x.elements * int(node.input(1).shape[1])
