"""What the operators of a training step have in common.

They exist in graphs that ``train/`` makes and in no model file.  Gradients are those of the loss with respect to a
tensor, in the shape of the tensor.

Updates (``*_update``) compute a weight gradient and add it to a variable at once, w + step * gradient, so that it never
exists whole: to the weights themselves (step = minus the learning rate), or to the sum of the gradients of a batch
(step = 1).  They take ``step`` float32 [2] (see :mod:`mcu_gen.ops.step_size`) and ``skipped`` int32 [1], the number of
updates left out so far in this step, and give the latter back.  An update is left out where an earlier one was, or
where the gradient, or step * gradient, may be 2^100 and more (by the peaks of what it is computed from; NaN and
infinity are more).  A change below that leaves every finite weight finite: half a unit in the last place of the largest
float is 2^103.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from mcu_gen.graph import DType, Node, Operator, Tensor, TensorType
from mcu_gen.ops import half, spatial

#: step * gradient is below this, or the update is left out.
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
    """An operator that writes a variable.

    Its inputs are what the gradient is computed from, the variable, step [2], skipped [1] and, with stochastic
    rounding, the state [1] of a random generator; its outputs the variable, skipped and that state.  The attribute
    ``rounding`` says how a variable of halves is written (see :func:`mcu_gen.ops.half.rounded`).
    """

    #: inputs that the gradient is computed from
    operands: ClassVar[int] = 2
    #: it is no gradient, and is applied at once even where those are added up first
    direct: ClassVar[bool] = False

    def half_inputs(self, node: Node) -> tuple[int, ...]:
        del node
        return tuple(range(self.operands))

    def infer(self, node: Node) -> list[TensorType]:
        w = node.input(self.operands)
        seed = [TensorType((1,), DType.INT32)] if len(node.inputs) > self.operands + 3 else []
        return [TensorType(w.shape, w.dtype), TensorType((1,), DType.INT32), *seed]

    def applied(
        self,
        node: Node,
        inputs: Sequence[np.ndarray | None],
        gradient: np.ndarray,
        factors: Sequence[np.ndarray],
        terms: int,
    ) -> list[np.ndarray]:
        """The values of the outputs.

        Args:
            node: the update.
            inputs: of the node.
            gradient: float64, in the shape of the variable.
            factors: every element of the gradient is a sum of products of one element of each of them.
            terms: products in that sum.
        """
        w, step, skipped = (present(inputs, self.operands + i) for i in range(3))
        seed = present(inputs, self.operands + 3) if len(inputs) > self.operands + 3 else None
        with np.errstate(over="ignore", invalid="ignore"):
            bound = np.float32(np.fmax(abs(step[0]), 1) if np.isfinite(step[0]) else np.nan) * np.float32(terms)
            for f in factors:
                bound = np.float32(bound * np.float32(peak(f)))
        own = [] if seed is None else [seed.copy()]
        if skipped[0] != 0 or not bound < LARGEST_CHANGE:
            return [w.copy(), skipped + np.int32(1), *own]
        rounding = node.str_attr("rounding")
        kept = w if step[1] == 1 else half.rounded(w * step[1], rounding, seed)  # decay comes first, on its own
        changed = half.rounded((kept + float(step[0]) * gradient).astype(np.float32), rounding, seed)
        return [changed, skipped.copy(), *([] if seed is None else [half.next_state(seed)])]


def rows_of(x: np.ndarray) -> np.ndarray:
    """``x`` as float64 rows over the last dimension."""
    return x.reshape(-1, x.shape[-1]).astype(np.float64)


def forward_window(node: Node, x: Sequence[int], w: Sequence[int]) -> Node:
    """The operator with a sliding window that ``node`` is a gradient of: what :mod:`mcu_gen.ops.spatial` looks at.

    Args:
        node: has the window's attributes.
        x, w: shapes of the forward operator's input and weights (any, for pools).
    """
    tensors = (Tensor("x", tuple(x), DType.FLOAT32), Tensor("w", tuple(w), DType.FLOAT32))
    return Node(node.op, tensors, ())


def scatter(window: Node, parts: Iterator[tuple[int, int, np.ndarray]]) -> np.ndarray:
    """Adds what every tap contributes to the input pixels that it sees; the transpose of :func:`spatial.taps`.

    Args:
        window: see :func:`forward_window`.
        parts: ``(row, column, contribution [N, OH, OW, C])`` per tap.

    Returns:
        float64 [N, H, W, C]; what falls into the padding is lost.
    """
    h, v = spatial.geometry(window)
    n, height, width, c = window.x.shape
    total = np.zeros((n, h.before + height + h.after + h.extent, v.before + width + v.after + v.extent, c))
    for row, column, part in parts:
        top, left = row * h.dilation, column * v.dilation
        rows = slice(top, top + (h.out - 1) * h.stride + 1, h.stride)
        total[:, rows, left : left + (v.out - 1) * v.stride + 1 : v.stride] += part
    return total[:, h.before : h.before + height, v.before : v.before + width]
