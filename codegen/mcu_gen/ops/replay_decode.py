"""The real numbers that the codes of a stored sample stand for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import DType, Node, TensorType, register
from mcu_gen.ops.gradient import present
from mcu_gen.ops.replay import Replay


@register
class ReplayDecode(Replay):
    """codes int8, scale float32 [1] -> codes x scale, float32 of the same shape."""

    name = "replay_decode"
    dtypes = (DType.INT8,)

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(node.x.shape, DType.FLOAT32)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        codes, scale = present(inputs, 0), present(inputs, 1)
        return [codes.astype(np.float32) * scale[0]]
