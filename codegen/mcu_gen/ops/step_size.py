"""What an update multiplies gradient and weight by: ``step`` [2] = (-rate / loss scale, 1 - rate * weight decay).

Weight decay is decoupled from the gradient (Loshchilov and Hutter 2019, as in Keras): w -= rate * decay * w comes
before the update.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, TensorType, register
from mcu_gen.ops.gradient import Gradient, present


@register
class StepSize(Gradient):
    """rate [1], loss scale [2] (the scale and 1 / scale) or absent -> step [2]; attribute ``decay``."""

    name = "step_size"

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType((2,), node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        rate = present(inputs, 0)[0]
        inverse = present(inputs, 1)[1] if node.has_input(1) else np.float32(1)
        with np.errstate(over="ignore", invalid="ignore"):
            keep = np.float32(1.0 - float(rate) * node.float_attr("decay"))
            return [np.array([-rate * inverse, keep], np.float32)]
