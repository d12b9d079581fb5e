"""Dynamic loss scale: halved after a step in which a gradient overflowed, doubled after many in which none did.

Micikevicius et al. 2018, section 3.2.  A step that failed for its sample alone (label, loss that is not finite) says
nothing about the scale.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import DType, Node, TensorType, register
from mcu_gen.ops.gradient import Gradient, present

#: Good steps after which the scale doubles.
PATIENCE = 200
#: The scale stays within these powers of two.
LEAST, MOST = 2.0**-10, 2.0**24


@register
class LossScaleUpdate(Gradient):
    """failed int32 [1] (of the sample), skipped int32 [1], loss scale [2], good int32 [1] -> loss scale, good."""

    name = "loss_scale_update"
    dtypes = (DType.INT32,)

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType((2,), node.input(2).dtype), TensorType((1,), DType.INT32)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        failed, skipped, scale, good = (present(inputs, i) for i in range(4))
        if failed[0] != 0:
            return [scale.copy(), good.copy()]
        if skipped[0] != 0:
            return [_of(max(float(scale[0]) / 2, LEAST)), np.zeros(1, np.int32)]
        if good[0] + 1 < PATIENCE:
            return [scale.copy(), good + np.int32(1)]
        return [_of(min(float(scale[0]) * 2, MOST)), np.zeros(1, np.int32)]


def _of(scale: float) -> np.ndarray:
    return np.array([scale, 1 / scale], np.float32)
