"""Fixed-point arithmetic of the TFLite reference kernels, in NumPy.

``tensorflow/lite/kernels/internal/{quantization_util.cc,common.h}`` and gemmlowp's ``fixedpoint.h`` are the
specification.  All functions take and return integer arrays; intermediate products are int64 and exact.
"""

from __future__ import annotations

import math

import numpy as np

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1


def quantize_multiplier(real: float) -> tuple[int, int]:
    """``(multiplier, shift)`` with real ~ multiplier * 2**(shift - 31), multiplier in [2**30, 2**31).

    A mantissa that rounds to 2**31 is halved; a factor below 2**-31 becomes 0 (``QuantizeMultiplier``).
    """
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    # std::round: halves away from zero (Python's round would take the even neighbour)
    q = math.floor(abs(fraction) * (1 << 31) + 0.5)
    q = q if fraction >= 0 else -q
    if q == 1 << 31:
        q //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        return INT32_MAX, 30
    return q, shift


def wrap32(x: np.ndarray) -> np.ndarray:
    """Modulo 2**32 into int32's range, as int64."""
    return ((x.astype(np.int64) + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def doubling_high_mul(a: np.ndarray, b: np.ndarray | int) -> np.ndarray:
    """gemmlowp ``SaturatingRoundingDoublingHighMul``: the high 32 bits of 2ab, rounded; int64 array."""
    a = a.astype(np.int64)
    ab = a * np.asarray(b, np.int64)
    nudged = ab + np.where(ab >= 0, 1 << 30, 1 - (1 << 30))
    # C divides towards zero
    high = np.where(nudged >= 0, nudged >> 31, -((-nudged) >> 31))
    saturated: np.ndarray = np.where((a == INT32_MIN) & (np.asarray(b) == INT32_MIN), INT32_MAX, high)
    return saturated


def rounding_shift_right(x: np.ndarray, n: np.ndarray | int) -> np.ndarray:
    """gemmlowp ``RoundingDivideByPOT``: x / 2**n, ties away from zero; int64 array."""
    x = x.astype(np.int64)
    n = np.asarray(n, np.int64)
    mask = (np.int64(1) << n) - 1
    threshold = (mask >> 1) + (x < 0)
    rounded: np.ndarray = (x >> n) + ((x & mask) > threshold)
    return rounded


def requant_double(x: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int) -> np.ndarray:
    """``MultiplyByQuantizedMultiplier`` with two roundings; ``shift`` > 0 is to the left."""
    shift = np.asarray(shift, np.int64)
    left = np.maximum(shift, 0)
    right = np.maximum(-shift, 0)
    return rounding_shift_right(doubling_high_mul(wrap32(x.astype(np.int64) << left), multiplier), right)


def reduced_multiplier(multiplier: np.ndarray) -> np.ndarray:
    """A multiplier of :func:`quantize_multiplier` rounded to 16 bits, as the reference does for 64-bit sums; int64."""
    m = multiplier.astype(np.int64)
    return np.where(m < 0x7FFF0000, (m + (1 << 15)) >> 16, 0x7FFF)


def requant_reduced(x: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int) -> np.ndarray:
    """``MultiplyByQuantizedMultiplier`` for 64-bit sums: 16-bit multiplier, one rounding, ties upwards; int64 array."""
    total = 15 - np.asarray(shift, np.int64)
    return wrap32((x.astype(np.int64) * np.asarray(multiplier, np.int64) + (np.int64(1) << (total - 1))) >> total)


def activation_range(activation: str, scale: float, zero_point: int, low: int, high: int) -> tuple[int, int]:
    """Bounds of a fused activation in quantized units (``CalculateActivationRangeQuantized``).

    ``low`` and ``high`` are the limits of the output type.
    """

    def q(real: float) -> int:
        # TfLiteRound(f / scale) in float32
        ratio = float(np.float32(real) / np.float32(scale))
        return zero_point + int(math.floor(abs(ratio) + 0.5) * (1 if ratio >= 0 else -1))

    if activation == "relu":
        return max(low, q(0.0)), high
    if activation == "relu6":
        return max(low, q(0.0)), min(high, q(6.0))
    if activation == "relu_n1_to_1":
        return max(low, q(-1.0)), min(high, q(1.0))
    return low, high


def activation_bounds_f32(activation: str) -> tuple[float, float]:
    """Bounds of a fused activation for float32."""
    limit = float(np.finfo(np.float32).max)
    return {
        "relu": (0.0, limit),
        "relu6": (0.0, 6.0),
        "relu_n1_to_1": (-1.0, 1.0),
    }.get(activation, (-limit, limit))
