"""Writes a row of an array of a replay buffer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, TensorType, register
from mcu_gen.ops.gradient import present
from mcu_gen.ops.replay import Replay


@register
class ReplayWrite(Replay):
    """x, slot int32 [1], rows [N, ...] -> rows with x as the row of that number; as they are for slot -1."""

    name = "replay_write"

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(node.input(2).shape, node.input(2).dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x, slot, rows = present(inputs, 0), int(present(inputs, 1)[0]), present(inputs, 2).copy()
        if slot >= 0:
            rows[slot] = x.reshape(rows.shape[1:])
        return [rows]
