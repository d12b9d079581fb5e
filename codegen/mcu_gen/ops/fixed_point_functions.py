"""Fixed-point functions of gemmlowp's ``fixedpoint.h`` that the int8 and int16 reference kernels are built on.

Numbers are raw int32 values in int64 arrays. Qm.n has m integer bits besides the sign and n = 31 - m fractional bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mcu_gen.ops.fixed_point import INT32_MAX, INT32_MIN, doubling_high_mul, rounding_shift_right

#: exp(-2**k) in Q0.31 for k = -2..4, the factors of the barrel shifter.
_EXP_FACTORS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_EXP_MINUS_1_8 = 1895147668  # exp(-1/8), Q0.31
_ONE_THIRD = 715827883  # Q0.31
_48_OVER_17 = 1515870810  # Q2.29
_MINUS_32_OVER_17 = -1010580540  # Q2.29

#: Intervals of the int16 lookup tables: 513 entries, the last one only for its slope.
LOOKUP_STEPS = 512


def saturating_shift_left(x: np.ndarray, n: int) -> np.ndarray:
    """``SaturatingRoundingMultiplyByPOT``: x * 2**n, saturated to int32 one step before it overflows."""
    limit = (1 << (31 - n)) - 1
    return np.where(x > limit, INT32_MAX, np.where(x < -limit, INT32_MIN, x << n))


def exp_on_negative_values(x: np.ndarray) -> np.ndarray:
    """exp(x) for x <= 0: Q5.26 -> Q0.31."""
    x = x.astype(np.int64)
    quarter = 1 << 24
    fraction = (x & (quarter - 1)) - quarter
    # Taylor expansion about -1/8 on [-1/4, 0)
    t = saturating_shift_left(fraction, 5) + (1 << 28)
    t2 = doubling_high_mul(t, t)
    t3 = doubling_high_mul(t2, t)
    t4 = doubling_high_mul(t2, t2)
    tail = doubling_high_mul(rounding_shift_right(t4, 2) + t3, _ONE_THIRD) + t2
    y = _EXP_MINUS_1_8 + doubling_high_mul(t + rounding_shift_right(tail, 1), _EXP_MINUS_1_8)
    remainder = fraction - x
    for bit, factor in enumerate(_EXP_FACTORS, start=24):
        y = np.where(remainder & (1 << bit), doubling_high_mul(y, factor), y)
    return np.where(x == 0, INT32_MAX, y)


def one_over_one_plus(x: np.ndarray) -> np.ndarray:
    """1 / (1 + x) for x in [0, 1]: Q0.31 -> Q0.31, three Newton-Raphson steps."""
    half = (x.astype(np.int64) + INT32_MAX + 1) >> 1  # RoundingHalfSum of a non-negative sum
    y = _48_OVER_17 + doubling_high_mul(half, _MINUS_32_OVER_17)
    for _ in range(3):
        y = y + saturating_shift_left(doubling_high_mul(y, (1 << 29) - doubling_high_mul(half, y)), 2)
    return saturating_shift_left(y, 1)


def lookup_table_s16(
    function: Callable[[float], float], low: float, high: float, output_scale: float = 2.0 / 65535
) -> np.ndarray:
    """``LUTPopulate<int16_t>`` in double precision: ``function`` on [low, high] as int16 [513].

    The entries are biased so that linear interpolation errs as little at the middle of an interval as at its ends.
    """

    def away(v: float) -> float:
        return math.copysign(math.floor(abs(v) + 0.5), v)

    def clamp(v: float) -> int:
        return int(min(max(v, -32768.0), 32767.0))

    step = (high - low) / LOOKUP_STEPS
    inverse = 65536.0 / (output_scale * 32767 - output_scale * -32768)
    table = []
    for i in range(LOOKUP_STEPS):
        value = function(low + i * step)
        middle = function(low + i * step + step / 2)
        following = function(low + (i + 1) * step)
        sample = away(value * inverse)
        interpolated = away((following * inverse + sample) / 2)
        table.append(clamp(sample - away((interpolated - away(middle * inverse)) / 2)))
    table.append(clamp(away(function(high) * inverse)))
    return np.array(table, np.int16)


def lookup_s16(x: np.ndarray, table: np.ndarray) -> np.ndarray:
    """``LUTLookup``: the value of ``table`` at x in [-32768, 32767], interpolated; int64 array."""
    x = x.astype(np.int64)
    index = 256 + (x >> 7)
    base = table.astype(np.int64)[index]
    slope = (table.astype(np.int64)[index + 1] - base).astype(np.int16).astype(np.int64)
    result: np.ndarray = (base + ((slope * (x & 0x7F) + 64) >> 7)).astype(np.int16).astype(np.int64)
    return result


def leading_zeros(x: np.ndarray) -> np.ndarray:
    """Leading zero bits of uint32 values; 32 for 0."""
    # exact: a double holds every uint32
    return 32 - np.frexp(x.astype(np.float64))[1].astype(np.int64)


def checked_log2(x: float) -> int | None:
    """The exponent when x is a power of two within TFLite's tolerance (``CheckedLog2``, in float32), else None."""
    if x <= 0:
        return None
    log2 = np.float32(np.float32(np.log(np.float32(x))) * np.float32(1.0 / np.float32(np.log(np.float32(2.0)))))
    nearest = math.floor(abs(float(log2)) + 0.5) * (1 if log2 >= 0 else -1)
    return nearest if abs(float(log2) - nearest) < 1e-3 else None
