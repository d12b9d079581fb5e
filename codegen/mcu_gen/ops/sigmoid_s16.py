"""What int16 LOGISTIC and TANH have in common: a table of sigmoid(i / 24) and linear interpolation in it.

``reference_integer_ops::{Logistic,Tanh}``: x is brought to steps of 1 / (3 * 4096), rounded to nearest, ties upwards;
tanh uses 2 sigmoid(2 x) - 1.
"""

from __future__ import annotations

import functools

import numpy as np

from mcu_gen.graph import DType, Node, Verdict
from mcu_gen.ops.fixed_point import wrap32
from mcu_gen.ops.fixed_point_functions import checked_log2
from mcu_gen.ops.unary import has_scales


def int16_output_scale_is_2_15(node: Node) -> Verdict:
    """in int16 the output scale is 1/32768 and both zero points are 0"""
    if node.x.dtype is not DType.INT16:
        return True, ""
    if not has_scales(node):
        return False, f"{node.x.name} or {node.y.name} has no per-tensor quantization"
    exact = node.type == "logistic"  # TANH takes what rounds to that power of two
    ok = node.y.s == 1 / 32768 if exact else checked_log2(node.y.s) == -15
    return ok and node.x.zp == 0 and node.y.zp == 0, f"the output scale is {node.y.s:g}"


@functools.cache
def sigmoid_table() -> np.ndarray:
    """sigmoid(i / 24) in 0.16, uint16 [256].

    Each entry is raised by half the error that linear interpolation makes in the middle of the following interval.
    """

    def sigmoid(i: np.ndarray) -> np.ndarray:
        return np.asarray(65536.0 / (1.0 + np.exp(-i / 24.0)))

    i = np.arange(256, dtype=np.float64)
    error = sigmoid(i + 0.5) - (sigmoid(i) + sigmoid(i + 1)) / 2
    table = np.round(sigmoid(i) + error / 2)
    table[255] = 65535  # the end of the scale
    result: np.ndarray = table.astype(np.uint16)
    return result


def input_scaling(node: Node) -> tuple[int, int]:
    """``(multiplier, right shift)`` from the input scale to steps of 1 / (3 * 4096)."""
    log2 = checked_log2(node.x.s)
    if log2 is not None and 0 <= 12 + log2 <= (1 if node.type == "tanh" else 0):
        return 3 << (12 + log2), 0
    multiplier = node.x.s * 4096.0 * 3.0
    shift = 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        shift += 1
        multiplier *= 2.0
    return int(multiplier), shift


def scaled_input(node: Node, x: np.ndarray) -> np.ndarray:
    """x in steps of 1 / (3 * 4096); int64 array."""
    multiplier, shift = input_scaling(node)
    rounding = (1 << (shift - 1)) if shift else 0
    return wrap32(x.astype(np.int64) * multiplier + rounding) >> shift


def interpolated(x: np.ndarray, fraction_bits: int) -> np.ndarray:
    """The table at |x|: an entry per 2**fraction_bits, ``fraction_bits`` more bits than the table; int64 array."""
    table = sigmoid_table().astype(np.int64)
    magnitude = np.abs(x)
    index = magnitude >> fraction_bits
    inside = np.minimum(index, 254)
    slope = table[inside + 1] - table[inside]
    result: np.ndarray = (table[inside] << fraction_bits) + (magnitude & ((1 << fraction_bits) - 1)) * slope
    return result
