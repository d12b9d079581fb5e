"""PRELU: y = x for x >= 0, alpha x otherwise; alpha is a tensor that broadcasts to x.

Rounding rule (``reference_ops::Prelu``): x minus its zero point is multiplied by input scale / output scale where it is
>= 0; where it is negative, times alpha minus its zero point it is multiplied by input scale x alpha scale / output
scale. Both factors are float32; each product is rounded twice (high multiplication, then shift, ties away from zero).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Verdict, register
from mcu_gen.ops.binary import Binary
from mcu_gen.ops.fixed_point import quantize_multiplier, requant_double, wrap32


def alpha_has_its_type(node: Node) -> Verdict:
    """the output has the type of the input; alpha is int8 for integers, float32 for float32"""
    alpha, want = node.input(1).dtype, DType.FLOAT32 if node.x.dtype is DType.FLOAT32 else DType.INT8
    found = f"the output is {node.y.dtype.value}, alpha {alpha.value}"
    return node.y.dtype is node.x.dtype and alpha is want, found


def alpha_broadcasts(node: Node) -> Verdict:
    """alpha broadcasts to the shape of the input, of rank 4 at most"""
    x, alpha = node.x.shape, node.input(1).shape
    observed = f"input {list(x)}, alpha {list(alpha)}"
    try:
        return np.broadcast_shapes(x, alpha) == x and len(x) <= 4, observed
    except ValueError:
        return False, observed


def integers_are_quantized(node: Node) -> Verdict:
    """integer tensors have one scale above 0 and one zero point each, 0 for int16"""
    if node.x.dtype is DType.FLOAT32:
        return True, ""
    for t in (node.x, node.input(1), node.y):
        if t.quant is None or t.quant.scale.size != 1 or not 0 < t.s < float("inf"):
            return False, f"{t.name} has the scales {[] if t.quant is None else t.quant.scale.tolist()}"
        if t.dtype is DType.INT16 and t.zp != 0:
            return False, f"{t.name} has zero point {t.zp}"
    return True, ""


def factors_fit(node: Node) -> Verdict:
    """input scale / output scale, and alpha scale times that, are below 2^30"""
    if node.x.dtype is DType.FLOAT32 or not integers_are_quantized(node)[0]:
        return True, ""
    ratio = node.x.s / node.y.s
    return max(ratio, ratio * node.input(1).s) < 2.0**30, f"they are {ratio:g} and {ratio * node.input(1).s:g}"


def scalings(node: Node) -> tuple[tuple[int, int], tuple[int, int]]:
    """``(multiplier, shift)`` of inputs >= 0 and of negative ones."""
    x, alpha, y = (np.float32(t.s) for t in (node.x, node.input(1), node.y))
    return quantize_multiplier(float(x / y)), quantize_multiplier(float(x * alpha / y))


@register
class Prelu(Binary):
    """x, alpha -> y of the shape and type of x."""

    name = "prelu"
    builtin = "PRELU"
    dtypes = (DType.INT8, DType.INT16, DType.FLOAT32)
    constraints = (alpha_has_its_type, alpha_broadcasts, integers_are_quantized, factors_fit)

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        del options
        return {}

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x, alpha = inputs[0], inputs[1]
        assert x is not None
        assert alpha is not None
        if node.x.dtype is DType.FLOAT32:
            return [np.where(x >= 0, x, x * alpha).astype(np.float32)]
        value = x.astype(np.int64) - node.x.zp
        product = wrap32(value * (alpha.astype(np.int64) - node.input(1).zp))
        positive, negative = scalings(node)
        y = np.where(value >= 0, requant_double(value, *positive), requant_double(product, *negative))
        return [np.clip(wrap32(y + node.y.zp), *node.y.dtype.limits).astype(node.y.dtype.numpy)]
