"""PADV2: a border of a given value around a tensor.

Rounding rule: none; the border holds the code of input 2, whose scale and zero point are those of x and y.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, Operator, TensorType, Verdict, register
from mcu_gen.graph.region import Span
from mcu_gen.ops.movement import ANY_DTYPE, arguments_are_constant
from mcu_gen.ops.pad import pad_value, pad_widths, paddings_are_signed, rank_is_at_most_five


def value_is_an_element(node: Node) -> Verdict:
    """the value is a constant of one element of the input's type"""
    t = node.input(2)
    ok = t.is_constant and t.elements == 1 and t.dtype is node.x.dtype
    return ok, f"{t.name} is {t.dtype.value}{list(t.shape)}, constant: {t.is_constant}"


def value_has_the_scale_of_the_output(node: Node) -> Verdict:
    """a quantized value has the scale and zero point of the output (LiteRT refuses others)"""
    t, y = node.input(2), node.y
    if t.quant is None or y.quant is None or t.quant.scale.size != 1 or y.quant.scale.size != 1:
        return t.quant is None and y.quant is None, "only one of them has a scale"
    return (t.s, t.zp) == (y.s, y.zp), f"they are ({t.s:g}, {t.zp}) and ({y.s:g}, {y.zp})"


@register
class PadV2(Operator):
    """x, paddings [rank, 2], value -> y with that many values before and after x along every axis."""

    name = "padv2"
    builtin = "PADV2"
    dtypes = ANY_DTYPE
    parameter_inputs = (1, 2)
    constraints = (
        arguments_are_constant,
        paddings_are_signed,
        rank_is_at_most_five,
        value_is_an_element,
        value_has_the_scale_of_the_output,
    )

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
