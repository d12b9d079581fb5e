"""Where a new sample goes in a replay buffer: reservoir sampling (Vitter 1985, algorithm R).

While there is room a sample takes the next slot.  Later the n-th one takes the place of a random other with
probability slots / n, so every sample of the stream is in the buffer with the same probability at any time.  A sample
that was not trained on (its label is no class, or its loss not finite) is not part of the stream.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import DType, Node, TensorType, register
from mcu_gen.ops.gradient import present
from mcu_gen.ops.replay import NONE, SEEN, Replay, draw

#: The count of samples stays here: a buffer that old takes samples with the probability slots / 2^31.
MOST = 2**31 - 1


@register
class ReplayAdmit(Replay):
    """skipped int32 [1], state int32 [2] -> slot int32 [1] (-1: it does not enter), state; attribute ``samples``."""

    name = "replay_admit"

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType((1,), DType.INT32), TensorType(node.input(1).shape, node.input(1).dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        skipped, state = present(inputs, 0), present(inputs, 1).copy()
        slot = NONE
        if skipped[0] == 0:
            state[SEEN] = min(int(state[SEEN]) + 1, MOST)
            slot = int(state[SEEN]) - 1
            if slot >= node.int_attr("samples"):
                slot, state = draw(state, int(state[SEEN]))
                slot = slot if slot < node.int_attr("samples") else NONE
        return [np.array([slot], np.int32), state]
