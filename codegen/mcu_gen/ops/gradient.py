"""What the operators of a training step have in common.

They exist in graphs that ``train/`` makes and in no model file; all of them take float32.  Gradients are those of the
loss with respect to a tensor, in the shape of the tensor.

Updates (``*_update``) compute a weight gradient and apply it at once, w - rate * gradient, so that it never exists
whole.  They take ``skipped`` int32 [1], the number of updates left out so far in this step, and give it back.  An
update is left out where an earlier one was, or where rate * gradient is not finite or 2^100 and more: below that, a
finite weight stays finite whatever is added (half a unit in the last place of the largest float is 2^103).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType

#: rate * gradient is below this, or the update is left out.
LARGEST_CHANGE = 2.0**100


def peak(x: np.ndarray) -> float:
    """The largest magnitude; NaN where an element is NaN."""
    return float(np.abs(x).max(initial=0.0))


def present(inputs: Sequence[np.ndarray | None], index: int) -> np.ndarray:
    """Value ``index`` of a node's inputs; it must be there."""
    x = inputs[index]
    assert x is not None
    return x


class Gradient(Operator):
    """An operator of the backward pass."""

    dtypes = (DType.FLOAT32,)


class Update(Gradient):
    """An operator that writes a variable: the last inputs are variable, rate [1], skipped [1]; variable, skipped result."""

    def infer(self, node: Node) -> list[TensorType]:
        w = node.input(len(node.inputs) - 3)
        return [TensorType(w.shape, w.dtype), TensorType((1,), DType.INT32)]

    def applied(
        self, inputs: Sequence[np.ndarray | None], gradient: np.ndarray, factors: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """The variable after the update, and ``skipped``.

        Args:
            inputs: of the node.
            gradient: float64, in the shape of the variable.
            factors: what the gradient is a sum of products of; the product of their peaks bounds each term.
        """
        count = len(inputs)
        w, rate, skipped = (present(inputs, i) for i in (count - 3, count - 2, count - 1))
        with np.errstate(over="ignore", invalid="ignore"):
            bound = np.float32(abs(rate[0]))
            for f in factors:
                bound = np.float32(bound * np.float32(peak(f)))
        if skipped[0] != 0 or not bound < LARGEST_CHANGE:
            return [w.copy(), skipped + np.int32(1)]
        changed = (w.astype(np.float64) - float(rate[0]) * gradient).astype(np.float32)
        return [changed, skipped.copy()]


def rows_of(x: np.ndarray) -> np.ndarray:
    """``x`` as float64 rows over the last dimension."""
    return x.reshape(-1, x.shape[-1]).astype(np.float64)


def elements(shape: Sequence[int]) -> int:
    """Number of elements of a tensor of this shape."""
    return math.prod(shape)
