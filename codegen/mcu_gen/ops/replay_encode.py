"""Real numbers of a sample in 8 bits with a scale of their own: symmetric, the largest magnitude becomes 127."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import DType, Node, TensorType, register
from mcu_gen.ops.gradient import peak, present
from mcu_gen.ops.replay import Replay
from mcu_gen.ops.unary import round_away


@register
class ReplayEncode(Replay):
    """x float32 -> codes int8 of the same shape, scale float32 [1]: x / scale in float32, ties away from zero."""

    name = "replay_encode"
    dtypes = (DType.FLOAT32,)

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(node.x.shape, DType.INT8), TensorType((1,), DType.FLOAT32)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = present(inputs, 0)
        scale = np.float32(peak(x)) / np.float32(127)
        with np.errstate(invalid="ignore", over="ignore"):
            ratio = x / scale if scale != 0 else np.zeros_like(x)
        codes = np.clip(round_away(np.nan_to_num(ratio.astype(np.float64), nan=-127)), -127, 127)
        return [codes.astype(np.int8), np.array([scale], np.float32)]
