"""HARD_SWISH: y = x min(max(x + 3, 0), 6) / 6.

Rounding rule (``reference_ops::HardSwish``): 16-bit fixed point throughout. x is shifted left by 7 bits; its product
with the output factor is rounded to nearest; the factor in [0, 1] is x scaled so that 3.0 is 32768, with saturating
shifts; their product is rounded towards zero and the last shift to nearest, ties away from zero.
"""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node, Verdict, register
from mcu_gen.ops.fixed_point import INT32_MAX, quantize_multiplier
from mcu_gen.ops.unary import QUANTIZATION_RULES, Unary, has_scales


def output_is_not_finer_than_1_128(node: Node) -> Verdict:
    """in int8 the output scale is at least the input scale / 128 (LiteRT refuses others)"""
    if not has_scales(node):
        return True, ""
    return output_factor(node)[1] <= 0, f"the scales are {node.x.s:g} and {node.y.s:g}"


@register
class HardSwish(Unary):
    """x -> y of the same shape and type."""

    name = "hard_swish"
    halves = (0,)
    builtin = "HARD_SWISH"
    dtypes = (DType.INT8, DType.FLOAT32)
    constraints = (*QUANTIZATION_RULES, output_is_not_finer_than_1_128)

    def codes(self, node: Node, x: np.ndarray) -> np.ndarray:
        hires = (x.astype(np.int64) - node.x.zp) << 7
        factor, exponent = output_factor(node)
        on_output_scale = _rounding_high_mul(hires, factor)
        gate_factor, gate_exponent = _fixed_point(_hires_scale(node) / np.float32(3.0 / 32768.0))
        gate = hires
        if gate_exponent > 0:
            gate = _saturating_shift_left(gate, gate_exponent - 1)
        gate = _rounding_high_mul(gate, gate_factor)
        if gate_exponent > 0:
            gate = _saturating_shift_left(gate, 1)
        if gate_exponent < 0:
            gate = _rounding_shift_right(gate, -gate_exponent)
        gate = (gate + (1 << 15)) >> 1
        product = gate * on_output_scale
        y = _rounding_shift_right(np.where(product >= 0, product >> 15, -((-product) >> 15)), -exponent)
        low, high = node.y.dtype.limits
        result: np.ndarray = np.clip(y + node.y.zp, low, high)
        return result

    def reals(self, node: Node, x: np.ndarray) -> np.ndarray:
        result: np.ndarray = x * np.clip(x + 3, 0, 6) / 6
        return result


def output_factor(node: Node) -> tuple[int, int]:
    """``(multiplier, exponent)`` of input scale / 128 / output scale, 16 bits."""
    return _fixed_point(_hires_scale(node) / np.float32(node.y.s))


def _hires_scale(node: Node) -> np.float32:
    return np.float32(np.float32(1.0 / 128.0) * np.float32(node.x.s))


def _fixed_point(real: np.float32) -> tuple[int, int]:
    """``QuantizeMultiplier``, then the multiplier rounded to 16 bits."""
    multiplier, exponent = quantize_multiplier(float(real))
    return (32767 if multiplier >= INT32_MAX - (1 << 15) else (multiplier + (1 << 15)) >> 16), exponent


def _rounding_high_mul(x: np.ndarray, factor: int) -> np.ndarray:
    """16-bit ``SaturatingRoundingDoublingHighMul`` by a factor >= 0."""
    product = x * factor
    nudged = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return np.where(nudged >= 0, nudged >> 15, -((-nudged) >> 15))


def _saturating_shift_left(x: np.ndarray, n: int) -> np.ndarray:
    result: np.ndarray = np.clip(x << n, -32768, 32767)
    return result


def _rounding_shift_right(x: np.ndarray, n: int) -> np.ndarray:
    """16-bit ``RoundingDivideByPOT``; beyond 15 bits its mask is cut to 16 bits, as in the original."""
    mask = (1 << n) - 1 if n < 16 else -1
    threshold = (mask >> 1) + (x < 0)
    return (x >> n) + ((x & mask) > threshold)
