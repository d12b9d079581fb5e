"""Cross-entropy of a softmax and a class number: the loss, and its gradient with respect to the logits.

The softmax is folded in: with p = softmax(logits) the gradient is p - onehot(label).  The loss is
log(sum(exp(logits))) - logits[label]; the logarithm is taken at the largest logit, where p is at least 1 / classes.
A step whose label is no class, or whose logits are not finite, trains nothing: the gradient is 0 and ``skipped`` 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import DType, Node, TensorType, register
from mcu_gen.ops.gradient import Gradient, present


@register
class SoftmaxCrossEntropy(Gradient):
    """logits [..., N], softmax(logits), labels int32 [rows] -> mean loss [1], its gradient, skipped int32 [1]."""

    name = "softmax_cross_entropy"

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType((1,), node.x.dtype), TensorType(node.x.shape, node.x.dtype), TensorType((1,), DType.INT32)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        logits, p, label = present(inputs, 0), present(inputs, 1), present(inputs, 2)
        z = logits.reshape(-1, logits.shape[-1]).astype(np.float64)
        rows, classes = z.shape
        valid = bool(((label >= 0) & (label < classes)).all()) and bool(np.isfinite(z).all())
        if not valid:
            loss = np.array([np.nan], np.float32)
            return [loss, np.zeros(logits.shape, np.float32), np.ones(1, np.int32)]
        top = z.max(axis=1)
        total = np.log(np.exp(z - top[:, None]).sum(axis=1)) + top
        index = (np.arange(rows), label.reshape(-1))
        gradient = p.reshape(z.shape).copy()
        gradient[index] -= np.float32(1)
        gradient /= np.float32(rows)
        loss = np.array([(total - z[index]).mean()], np.float32)
        return [loss, gradient.reshape(logits.shape), np.zeros(1, np.int32)]
