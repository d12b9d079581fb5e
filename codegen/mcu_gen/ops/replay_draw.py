"""Which sample of a replay buffer is trained on again: each that is there with the same probability."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import DType, Node, TensorType, register
from mcu_gen.ops.gradient import present
from mcu_gen.ops.replay import NONE, SEEN, Replay, draw


@register
class ReplayDraw(Replay):
    """state int32 [2] -> slot int32 [1] (-1 while the buffer is empty), state; attribute ``samples``."""

    name = "replay_draw"

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType((1,), DType.INT32), TensorType(node.x.shape, node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        state = present(inputs, 0)
        filled = min(int(state[SEEN]), node.int_attr("samples"))
        slot, state = draw(state, filled) if filled else (NONE, state.copy())
        return [np.array([slot], np.int32), state]
