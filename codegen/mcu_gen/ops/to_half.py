"""float32 to halves: rounded to nearest, ties to even; what is beyond the largest half becomes infinite (IEEE 754)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import DType, Node, TensorType, register
from mcu_gen.ops.gradient import Gradient, present


@register
class ToHalf(Gradient):
    """x float32 -> y float16, same shape."""

    name = "to_half"
    converts = True

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(node.x.shape, DType.FLOAT16)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        del node
        with np.errstate(over="ignore"):
            return [present(inputs, 0).astype(np.float16)]
