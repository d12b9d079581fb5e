"""Reads a row of an array of a replay buffer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, TensorType, register
from mcu_gen.ops.gradient import present
from mcu_gen.ops.replay import Replay


@register
class ReplayRead(Replay):
    """rows [N, ...], slot int32 [1] -> the row of that number, in the shape ``shape``.

    For slot -1 all bytes are ``fill``: 255 makes a label that is no class, or no number, with which nothing is trained.
    """

    name = "replay_read"

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(tuple(node.attr("shape")), node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        rows, slot = present(inputs, 0), int(present(inputs, 1)[0])
        if slot >= 0:
            return [rows[slot].reshape(node.y.shape).copy()]
        data = np.full(node.y.bytes, node.int_attr("fill"), np.uint8)
        return [data.view(rows.dtype).reshape(node.y.shape)]
