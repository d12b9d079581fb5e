"""What the optimizers have in common: they apply the sum of the gradients of a batch to a variable, and clear it.

The formulas are those of Keras 3 (``keras.optimizers``).  ``factor`` comes from :mod:`mcu_gen.ops.batch_end`: at 0 an
optimizer does nothing, at -1 it only clears the sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from mcu_gen.graph import DType, Node, TensorType
from mcu_gen.ops import half
from mcu_gen.ops.gradient import Gradient, present


class Optimizer(Gradient):
    """sum [shape], factor [1], step [2], weights [shape], moments... [shape], seed int32 [1] or nothing
    -> sum, weights, moments..., seed.

    ``step`` is (-rate, 1 - rate * decay); the attribute ``rounding`` as in :class:`mcu_gen.ops.gradient.Update`.
    """

    #: float32 tensors in the shape of the weights that are kept from update to update
    moments: ClassVar[int] = 0

    def infer(self, node: Node) -> list[TensorType]:
        types = [TensorType(node.x.shape, t.dtype) for t in (node.x, *node.inputs[3 : 4 + self.moments]) if t]
        return types + ([TensorType((1,), DType.INT32)] if len(node.inputs) > 4 + self.moments else [])

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        total, factor, step, w = (present(inputs, i) for i in range(4))
        moments = [present(inputs, 4 + i) for i in range(self.moments)]
        seed = present(inputs, 4 + self.moments) if len(inputs) > 4 + self.moments else None
        own = [] if seed is None else [seed.copy()]
        if factor[0] <= 0:
            kept = total.copy() if factor[0] == 0 else np.zeros_like(total)
            return [kept, w.copy(), *(m.copy() for m in moments), *own]
        gradient = total.astype(np.float64) * float(factor[0])
        change, moments = self.change(node, gradient, -float(step[0]), [m.astype(np.float64) for m in moments])
        changed = ((w * step[1]).astype(np.float64) + change).astype(np.float32)
        changed = half.rounded(changed, node.str_attr("rounding"), seed)
        own = [] if seed is None else [half.next_state(seed)]
        return [np.zeros_like(total), changed, *(m.astype(np.float32) for m in moments), *own]

    def change(
        self, node: Node, gradient: np.ndarray, rate: float, moments: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """What is added to the weights, and the new moments; all float64."""
        raise NotImplementedError(self.name)
