"""The first gradient times the loss scale, so that small gradients survive in halves (Micikevicius et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, TensorType, register
from mcu_gen.ops.gradient import Gradient, present


@register
class ScaleGradient(Gradient):
    """dy of any shape, loss scale [2] (the scale and 1 / scale) -> dy * scale."""

    name = "scale_gradient"

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(node.x.shape, node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        with np.errstate(over="ignore", invalid="ignore"):
            return [present(inputs, 0) * present(inputs, 1)[0]]
