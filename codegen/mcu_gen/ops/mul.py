"""MUL: y = x0 x1, with broadcasting and a fused activation.

Rounding rule (``reference_integer_ops::Mul``): the product of both inputs without their zero points is multiplied by
scale0 x scale1 / output scale (in float32), rounded twice (high multiplication, then shift, ties away from zero).
int32 is plain arithmetic modulo 2^32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import DType, Node, Verdict, register
from mcu_gen.ops.binary import INTEGER_TYPES, RULES, Binary, code_range, integers_are_quantized
from mcu_gen.ops.fixed_point import activation_bounds_f32, quantize_multiplier, requant_double, wrap32


def product_scale_fits(node: Node) -> Verdict:
    """the product of the input scales / output scale is below 2^30"""
    if node.x.dtype not in INTEGER_TYPES or not integers_are_quantized(node)[0]:
        return True, ""
    ratio = node.input(0).s * node.input(1).s / node.y.s
    return ratio < 2.0**30, f"it is {ratio:g}"


@register
class Mul(Binary):
    """x0, x1 -> y of the broadcast shape, same type."""

    name = "mul"
    halves = (0, 1)
    half_weights = (1,)
    builtin = "MUL"
    constraints = (*RULES, product_scale_fits)

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x0, x1 = inputs[0], inputs[1]
        assert x0 is not None
        assert x1 is not None
        if node.x.dtype is DType.FLOAT32:
            low_f, high_f = activation_bounds_f32(node.str_attr("activation"))
            return [np.clip(x0 * x1, np.float32(low_f), np.float32(high_f)).astype(np.float32)]
        a, b = x0.astype(np.int64), x1.astype(np.int64)
        if node.x.dtype is DType.INT32:
            y = wrap32(a * b)
        else:
            product = (a - node.input(0).zp) * (b - node.input(1).zp)
            y = wrap32(requant_double(product, *product_scaling(node)) + node.y.zp)
        low, high = code_range(node)
        return [np.minimum(np.maximum(y, low), high).astype(node.y.dtype.numpy)]


def product_scaling(node: Node) -> tuple[int, int]:
    """``(multiplier, shift)`` of scale0 x scale1 / output scale; LiteRT computes it in float32."""
    real = np.float32(node.input(0).s) * np.float32(node.input(1).s) / np.float32(node.y.s)
    return quantize_multiplier(float(real))
