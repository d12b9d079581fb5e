"""What RELU, RELU6 and RELU_N1_TO_1 have in common: a clamp, with a change of scale where the scales differ."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mcu_gen.graph import Node, Verdict
from mcu_gen.ops.fixed_point import activation_bounds_f32, activation_range, quantize_multiplier, requant_double, wrap32
from mcu_gen.ops.unary import QUANTIZATION_RULES, Unary, has_scales


def bounds_are_codes(node: Node) -> Verdict:
    """in integers the bounds / output scale are below 2^31"""
    if not has_scales(node):
        return True, ""
    return 2.0**31 * node.y.s > 6.0, f"the output scale is {node.y.s:g}"


class Rectifier(Unary):
    """y = clamp(x); the bounds are those of the fused activation of the same name."""

    activation: ClassVar[str]
    constraints = (*QUANTIZATION_RULES, bounds_are_codes)

    def codes(self, node: Node, x: np.ndarray) -> np.ndarray:
        multiplier, shift = rescaling(node)
        low, high = bounds(node)
        y = wrap32(requant_double(x.astype(np.int64) - node.x.zp, multiplier, shift) + node.y.zp)
        result: np.ndarray = np.minimum(np.maximum(y, low), high)
        return result

    def reals(self, node: Node, x: np.ndarray) -> np.ndarray:
        low, high = activation_bounds_f32(self.activation)
        result: np.ndarray = np.clip(x, low, high)
        return result


def rescaling(node: Node) -> tuple[int, int]:
    """``(multiplier, shift)`` of input scale / output scale; LiteRT divides in float32."""
    return quantize_multiplier(float(np.float32(node.x.s) / np.float32(node.y.s)))


def bounds(node: Node) -> tuple[int, int]:
    """The clamp in output codes."""
    low, high = node.y.dtype.limits
    return activation_range(node.type, node.y.s, node.y.zp, low, high)
