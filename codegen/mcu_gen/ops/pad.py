"""PAD: a border around a tensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.graph.region import Span
from mcu_gen.ops.movement import ANY_DTYPE, arguments_are_constant, constant_argument

MAX_PAD_RANK = 5
_LIMIT = (1 << 31) - 1


def rank_is_at_most_five(node: Node) -> Verdict:
    """the rank is at most 5"""
    return len(node.x.shape) <= MAX_PAD_RANK, f"it is {len(node.x.shape)}"


def paddings_are_signed(node: Node) -> Verdict:
    """paddings are int8, int16, int32, int64 or bool"""
    allowed = (DType.INT8, DType.INT16, DType.INT32, DType.INT64, DType.BOOL)
    return not node.has_input(1) or node.input(1).dtype in allowed, f"they are {node.input(1).dtype.value}"


def pad_widths(node: Node) -> list[tuple[int, int]]:
    """Elements added before and after, per axis.

    Raises:
        ValueError: there is not one pair of sizes per axis, or a size is negative or makes a dimension overflow.
    """
    shape = node.x.shape
    flat = [int(v) for v in constant_argument(node, 1, "paddings")]
    if len(flat) != 2 * len(shape):
        raise ValueError(f"the paddings have shape {list(node.input(1).shape)}, expected [{len(shape)}, 2]")
    pairs = list(zip(flat[::2], flat[1::2], strict=True))
    for axis, (before, after) in enumerate(pairs):
        if before < 0 or after < 0:
            raise ValueError(f"the padding of axis {axis} is {before}, {after}; it must not be negative")
        if before + after + shape[axis] > _LIMIT:
            raise ValueError(f"the padding of axis {axis} is {before}, {after}; the dimension would pass 2^31")
    return pairs


def pad_value(node: Node) -> np.ndarray:
    """What the border holds: input 2, or else the real number 0, the output's zero point; array of shape []."""
    if node.has_input(2):
        value = node.input(2).data
        assert value is not None, "the value of the border is not constant"
        return value.reshape(())
    return np.array(node.y.zp if node.y.quant is not None else 0, node.y.dtype.numpy)


@register
class Pad(Operator):
    """x, paddings [rank, 2] -> y with that many zeros (of the real numbers) before and after x along every axis."""

    name = "pad"
    halves = (0,)
    builtin = "PAD"
    dtypes = ANY_DTYPE
    parameter_inputs = (1,)
    constraints = (arguments_are_constant, paddings_are_signed, rank_is_at_most_five)

    def infer(self, node: Node) -> list[TensorType]:
        pairs = pad_widths(node)
        return [TensorType(tuple(b + n + a for n, (b, a) in zip(node.x.shape, pairs, strict=True)), node.x.dtype)]

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        before = pad_widths(node)[axis][0]
        return Span(out.lo - before, out.hi - before).clip(node.x.shape[axis]) if index == 0 else None

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        y = np.full(node.y.shape, pad_value(node), node.y.dtype.numpy)
        inner = tuple(slice(b, b + n) for n, (b, _) in zip(node.x.shape, pad_widths(node), strict=True))
        y[inner] = x
        return [y]
