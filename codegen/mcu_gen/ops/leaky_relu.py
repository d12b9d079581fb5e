"""LEAKY_RELU: y = x for x > 0, alpha x otherwise.

Rounding rule (``QuantizeLeakyRelu``): x minus its zero point is multiplied by input scale / output scale where it is
>= 0, by alpha times that where it is negative; each product is rounded twice (high multiplication, then shift, ties
away from zero). For a negative alpha the product with its absolute value is negated. The factors are float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Verdict, register
from mcu_gen.ops.fixed_point import quantize_multiplier, requant_double, wrap32
from mcu_gen.ops.rectifier import rescaling
from mcu_gen.ops.unary import QUANTIZATION_RULES, Unary, has_scales


def alpha_is_moderate(node: Node) -> Verdict:
    """alpha is finite, and for integers alpha times input scale / output scale is below 2^30"""
    alpha = node.float_attr("alpha")
    ok = bool(np.isfinite(alpha))
    if ok and has_scales(node):
        ok = abs(alpha) * node.x.s / node.y.s < 2.0**30
    return ok, f"alpha is {alpha:g}"


@register
class LeakyRelu(Unary):
    """x -> y of the same shape and type."""

    name = "leaky_relu"
    halves = (0,)
    builtin = "LEAKY_RELU"
    dtypes = (DType.INT8, DType.INT16, DType.FLOAT32)
    constraints = (*QUANTIZATION_RULES, alpha_is_moderate)

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"alpha": float(options["alpha"])}

    def codes(self, node: Node, x: np.ndarray) -> np.ndarray:
        value = x.astype(np.int64) - node.x.zp
        multiplier, shift, sign = alpha_scaling(node)
        y = np.where(
            value >= 0,
            requant_double(value, *rescaling(node)),
            sign * requant_double(value, multiplier, shift),
        )
        low, high = node.y.dtype.limits
        result: np.ndarray = np.clip(wrap32(y + node.y.zp), low, high)
        return result

    def reals(self, node: Node, x: np.ndarray) -> np.ndarray:
        return np.where(x > 0, x, x * float(np.float32(node.float_attr("alpha"))))


def alpha_scaling(node: Node) -> tuple[int, int, int]:
    """``(multiplier, shift, sign)`` of alpha x input scale / output scale."""
    real = np.float32(node.x.s) * np.float32(node.float_attr("alpha")) / np.float32(node.y.s)
    multiplier, shift = quantize_multiplier(abs(float(real)))
    return multiplier, shift, -1 if real < 0 else 1
