"""What the operators of a replay buffer have in common.

A replay buffer keeps samples that a training step has seen, as they are at the seam between frozen and trained layers
(latent replay, Pellegrini et al. 2020; in 8 bits, Ravaglia et al. 2021).  A slot number says which row of its arrays is
read or written; -1 is none.  Chance comes from a xorshift generator (Marsaglia 2003) in the state of the buffer, so the
same samples give the same bits, run after run.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mcu_gen.graph import DType, Operator

#: State of the generator after a reset; any number but 0.
SEED = 0x9E3779B9

#: No slot.
NONE = -1

#: The state of a buffer, int32 [2]: samples offered to it so far, and the 32 bits of the generator.
SEEN, RANDOM = 0, 1


def initial_state() -> np.ndarray:
    """The state of an empty buffer."""
    return np.array([0, SEED], np.uint32).view(np.int32)


def draw(state: np.ndarray, count: int) -> tuple[int, np.ndarray]:
    """A number below ``count``, each as likely as the others to 2^-32 x count, and the state after it."""
    x = int(state.view(np.uint32)[RANDOM])
    x ^= x << 13 & 0xFFFFFFFF
    x ^= x >> 17
    x ^= x << 5 & 0xFFFFFFFF
    after = state.copy()
    after.view(np.uint32)[RANDOM] = x
    return x * count >> 32, after


class Replay(Operator):
    """An operator of a replay buffer: it exists in graphs that ``train/`` makes and in no model file."""

    dtypes: ClassVar[tuple[DType, ...]] = (DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.FLOAT32)
