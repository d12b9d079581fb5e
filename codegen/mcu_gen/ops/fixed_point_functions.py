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


def lookup_table_s16_f32(
    function: Callable[[np.ndarray], np.ndarray], input_scale: float, output_scale: float
) -> np.ndarray:
    """``LUTPopulate<int16_t>`` in float32: ``function`` over all int16 inputs as int16 [513]; zero points are 0.

    ``function`` takes and gives float32 arrays.
    """

    def away(v: np.ndarray) -> np.ndarray:
        rounded: np.ndarray = np.trunc(v.astype(np.float64) + np.copysign(0.5, v)).astype(np.float32)
        return rounded

    low, high = np.float32(input_scale) * np.float32(-32768), np.float32(input_scale) * np.float32(32767)
    out_low, out_high = np.float32(output_scale) * np.float32(-32768), np.float32(output_scale) * np.float32(32767)
    step = (high - low) / np.float32(LOOKUP_STEPS)
    inverse = np.float32(65536) / (out_high - out_low)
    steps = np.arange(LOOKUP_STEPS, dtype=np.float32)
    here = low + steps * step
    value = function(here) * inverse
    following = function(low + (steps + np.float32(1)) * step) * inverse
    middle = away(function(here + step / np.float32(2)) * inverse)
    sample = away(value)
    bias = away((away((following + sample) / np.float32(2)) - middle) / np.float32(2))
    last = away(function(np.array([high], np.float32)) * inverse)
    table: np.ndarray = np.clip(np.concatenate([sample - bias, last]), -32768, 32767).astype(np.int16)
    return table


def inverse_sqrt_multiplier(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``GetInvSqrtQuantizedMultiplierExp``: ``(multiplier, shift)`` of 1 / sqrt(x) for int32 x >= 0; 1 for 0.

    Five Newton-Raphson steps in Q3.28 from 1; shift > 0 is to the left.
    """
    x = x.astype(np.int64)
    value = np.maximum(x, 2)
    right = np.full(x.shape, 11, np.int64)
    while (value >= 1 << 29).any():
        large = value >= 1 << 29
        value = np.where(large, value // 4, value)
        right = right + large
    pairs = (leading_zeros(value) - 1) // 2 - 1
    right = right - pairs
    scaled = (value << (2 * pairs)) >> 1
    half = rounding_shift_right(scaled, 1)
    y = np.full(x.shape, 1 << 28, np.int64)
    for _ in range(5):
        cube = saturating_shift_left(doubling_high_mul(doubling_high_mul(y, y), y), 6)
        y = saturating_shift_left(doubling_high_mul(y, (1 << 28) + (1 << 27)) - doubling_high_mul(half, cube), 3)
    y = doubling_high_mul(y, 1518500250)  # sqrt(1/2)
    multiplier = y << np.maximum(-right, 0)
    trivial = x <= 1
    return np.where(trivial, INT32_MAX, multiplier), np.where(trivial, 0, -np.maximum(right, 0))


def log_of_sum(x: np.ndarray) -> np.ndarray:
    """``log_x_for_x_greater_than_or_equal_to_1``: log(x) for x >= 1, Q12.19 -> Q5.26."""
    x = x.astype(np.int64)
    sqrt_half, quarter = 1518500250, 1 << 23
    fourth_root = 1805811301  # of 1/2
    headroom = leading_zeros(x)
    r_a = saturating_shift_left(doubling_high_mul(x << (headroom - 1), sqrt_half), 1)
    z_a = ((12 - headroom) << 25) + quarter
    headroom_b = leading_zeros(doubling_high_mul(x, sqrt_half)) - 1
    r_b = np.minimum(x << headroom_b, INT32_MAX)
    z_b = ((12 - headroom_b) << 25) - quarter
    r, z = np.minimum(r_a, r_b), np.maximum(z_a, z_b)
    p = (r + fourth_root + 1) >> 1
    q = 2 * (r - fourth_root)
    square = doubling_high_mul(q, q)
    numerator = doubling_high_mul(q, r) + doubling_high_mul(doubling_high_mul(q, square), 117049297)
    denominator = doubling_high_mul(p, 1057819769 + q + doubling_high_mul(square, 127690142))
    reciprocal = one_over_one_plus(denominator + doubling_high_mul(q, 638450708))
    total = doubling_high_mul(z, 1488522236) + doubling_high_mul(rounding_shift_right(numerator, 6), reciprocal)
    return saturating_shift_left(total, 1)
