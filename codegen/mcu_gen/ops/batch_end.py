"""Counts the samples of a batch; at its end decides once for all weights whether and how they are updated.

``factor`` tells the optimizers: 0, the batch goes on; above 0, apply the sums of the gradients times this; -1, drop
them.  It is 1 / (samples * loss scale), and less where the global norm of the mean gradient exceeds ``clip`` (Pascanu
et al. 2013; as tf.clip_by_global_norm).  A batch is dropped where a sample of it left out an update, where the sum of
the squares of all gradients is not finite, or where the norm of the mean gradient, or rate times it, reaches 2^100.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import DType, Node, TensorType, register
from mcu_gen.ops.gradient import LARGEST_CHANGE, Gradient, present

#: Input from which on the sums of gradients come.
FIRST_SUM = 6


@register
class BatchEnd(Gradient):
    """failed int32 [1] (the sample has no loss), skipped int32 [1] (updates left out so far, that among them), samples
    int32 [1] and dropped int32 [1] (so far in the batch), step [2], loss scale [2] or absent, sums of gradients...
    -> factor [1], skipped int32 [1], open int32 [1], samples, dropped.

    Attributes: ``batch``, ``clip`` (0 does not clip).  ``skipped`` is the number of updates left out: 1 for a sample
    that does not count or spoils its batch, all of them where the batch is dropped.  ``open`` is 0 at the end of a
    batch.  A sample without a loss does not count.
    """

    name = "batch_end"
    dtypes = (DType.INT32,)

    def infer(self, node: Node) -> list[TensorType]:
        one = TensorType((1,), DType.INT32)
        return [TensorType((1,), DType.FLOAT32), one, one, one, one]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        failed, skipped, samples, dropped, step = (present(inputs, i) for i in range(5))
        scale = inputs[5]
        gradients = [present(inputs, i) for i in range(FIRST_SUM, len(inputs))]
        batch, clip = node.int_attr("batch"), node.float_attr("clip")
        if failed[0] == 0:
            samples = samples + np.int32(1)
            dropped = dropped + np.int32(skipped[0] != 0)
        if failed[0] != 0 or samples[0] < batch:
            one = np.ones(1, np.int32)
            return [np.zeros(1, np.float32), np.minimum(skipped, one), one, samples.copy(), dropped.copy()]
        factor = np.float32(1 / batch) * (np.float32(1) if scale is None else scale[1])
        with np.errstate(over="ignore", invalid="ignore"):
            norm = np.sqrt(np.float32(sum(float((g.astype(np.float64) ** 2).sum()) for g in gradients)))
            largest = np.fmax(np.abs(step[0]), np.float32(1)) * (norm * factor)
        left_out = np.int32(0)
        if dropped[0] != 0 or not largest < LARGEST_CHANGE or not np.isfinite(step).all():
            factor, left_out = np.float32(-1), np.int32(len(gradients))
        elif clip and norm * factor > np.float32(clip):
            factor = np.float32(clip) / norm
        zero = np.zeros(1, np.int32)
        return [np.array([factor], np.float32), np.array([left_out]), zero, zero.copy(), zero.copy()]
