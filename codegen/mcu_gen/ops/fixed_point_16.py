"""tanh and the logistic function of gemmlowp's ``fixedpoint.h`` in 16 bits, which the integer LSTM is built on.

Numbers are raw int16 values in int64 arrays. Qm.n has m integer bits besides the sign and n = 15 - m fractional bits.
Constants are those of the 32-bit functions (:mod:`mcu_gen.ops.fixed_point_functions`), rounded to 16 bits.
"""

from __future__ import annotations

import numpy as np

#: exp(-2**k) in Q0.15 for k = -2..4, the factors of the barrel shifter.
_EXP_FACTORS = (25520, 19875, 12055, 4435, 600, 11, 0)


def doubling_high_mul(a: np.ndarray, b: np.ndarray | int) -> np.ndarray:
    """``SaturatingRoundingDoublingHighMul<int16_t>``: the high 16 bits of 2ab, rounded."""
    ab = a * np.asarray(b, np.int64)
    nudged = ab + np.where(ab >= 0, 1 << 14, 1 - (1 << 14))
    high = np.where(nudged >= 0, nudged >> 15, -((-nudged) >> 15))
    saturated: np.ndarray = np.minimum(high, 32767)
    return saturated


def _shift_left(x: np.ndarray, n: int) -> np.ndarray:
    """x * 2**n, saturated."""
    shifted: np.ndarray = np.clip(x << n, -32768, 32767)
    return shifted


def _shift_right(x: np.ndarray, n: int) -> np.ndarray:
    """x / 2**n, ties away from zero."""
    mask = (1 << n) - 1
    rounded: np.ndarray = (x >> n) + ((x & mask) > (mask >> 1) + (x < 0))
    return rounded


def exp_on_negative_values(x: np.ndarray, integer_bits: int) -> np.ndarray:
    """exp(x) for x <= 0: Qm.n with m = ``integer_bits`` -> Q0.15."""
    fractional = 15 - integer_bits
    quarter = 1 << (fractional - 2)
    fraction = (x & (quarter - 1)) - quarter
    t = _shift_left(fraction, integer_bits) + (1 << 12)  # Taylor expansion about -1/8
    t2 = doubling_high_mul(t, t)
    t3 = doubling_high_mul(t2, t)
    t4 = _shift_right(doubling_high_mul(t2, t2), 2)
    tail = _shift_right(doubling_high_mul(t4 + t3, 10923) + t2, 1)
    y = np.minimum(28918 + doubling_high_mul(t + tail, 28918), 32767)
    remainder = fraction - x
    for k, factor in enumerate(_EXP_FACTORS, start=-2):
        if k < integer_bits:
            y = np.where(remainder & (1 << (fractional + k)), doubling_high_mul(y, factor), y)
    if integer_bits > 5:
        y = np.where(x < -(1 << (20 - integer_bits)), 0, y)
    return np.where(x == 0, 32767, y)


def _two_over_one_plus(x: np.ndarray) -> np.ndarray:
    """2 / (1 + x) for x in [0, 1]: Q0.15 -> Q2.13, three Newton-Raphson steps."""
    half = (x + 32768) >> 1
    y = 23130 + doubling_high_mul(half, -15420)
    for _ in range(3):
        y = y + _shift_left(doubling_high_mul(y, (1 << 13) - doubling_high_mul(half, y)), 2)
    return y


def logistic(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)): Q3.12 -> Q0.15."""
    x = x.astype(np.int64)
    positive = _shift_left(_two_over_one_plus(exp_on_negative_values(-np.abs(x), 3)), 1)
    return np.where(x == 0, 1 << 14, np.where(x > 0, positive, 32767 - positive))


def tanh(x: np.ndarray, integer_bits: int) -> np.ndarray:
    """tanh(x): Qm.n with m = ``integer_bits`` -> Q0.15."""
    x = x.astype(np.int64)
    e = exp_on_negative_values(-np.abs(x), integer_bits + 1)  # of 2 x
    y = _shift_left(_two_over_one_plus(e) - (1 << 13), 2)
    signed: np.ndarray = np.sign(x) * y
    return signed
