/* The verbs that kernels are written in, defined in plain C99.
 *
 * This header is the definition: every instruction-set header (armv7em_dsp.h, ...) is included after it, replaces some
 * verbs by faster code of exactly the same result, and is tested against this one.
 */
#ifndef MG_SIMD_SCALAR_H
#define MG_SIMD_SCALAR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) || defined(__clang__)
#define MG_ALIGN(n) __attribute__((aligned(n)))
#else
#define MG_ALIGN(n)
#endif

static inline int32_t mg_min_s32(int32_t a, int32_t b) {
    return a < b ? a : b;
}

static inline int32_t mg_max_s32(int32_t a, int32_t b) {
    return a > b ? a : b;
}

static inline int32_t mg_clamp_s32(int32_t x, int32_t low, int32_t high) {
    return mg_min_s32(mg_max_s32(x, low), high);
}

static inline float mg_clamp_f32(float x, float low, float high) {
    const float y = x < low ? low : x;
    return y > high ? high : y;
}

/* a * b + c with one rounding, on every core. */
static inline float mg_fmaf(float a, float b, float c) {
    return fmaf(a, b, c);
}

/* Shifts of negative numbers that C99 leaves open are spelt out; compilers make one instruction of each. */
static inline int32_t mg_asr_s32(int32_t x, int32_t n) {
    return x >= 0 ? (int32_t)((uint32_t)x >> n) : (int32_t)~(~(uint32_t)x >> n);
}

static inline int64_t mg_asr_s64(int64_t x, int32_t n) {
    return x >= 0 ? (int64_t)((uint64_t)x >> n) : (int64_t)~(~(uint64_t)x >> n);
}

/* x * 2^n modulo 2^32, as the reference kernels compute it before a multiplication. */
static inline int32_t mg_shl_s32(int32_t x, int32_t n) {
    return (int32_t)((uint32_t)x << n);
}

/* High half of 2ab, rounded to nearest, ties away from zero for positive and towards zero for negative products: gemmlowp's
 * SaturatingRoundingDoublingHighMul. */
static inline int32_t mg_doubling_high_mul(int32_t a, int32_t b) {
    int64_t ab;
    if (a == INT32_MIN && b == INT32_MIN) {
        return INT32_MAX;
    }
    ab = (int64_t)a * (int64_t)b;
    ab += ab >= 0 ? (int64_t)1 << 30 : 1 - ((int64_t)1 << 30);
    return (int32_t)(ab / ((int64_t)1 << 31));
}

/* x / 2^n, rounded to nearest, ties away from zero: gemmlowp's RoundingDivideByPOT. */
static inline int32_t mg_rounding_shift_right(int32_t x, int32_t n) {
    const int32_t mask = (int32_t)(((uint32_t)1 << n) - 1u);
    const int32_t remainder = x & mask;
    const int32_t threshold = mg_asr_s32(mask, 1) + (x < 0 ? 1 : 0);
    return mg_asr_s32(x, n) + (remainder > threshold ? 1 : 0);
}

/* x * multiplier * 2^(shift - 31), rounded twice (CONV_2D, DEPTHWISE_CONV_2D, ADD, MUL...). */
static inline int32_t mg_requant_double(int32_t x, int32_t multiplier, int32_t shift) {
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = shift > 0 ? 0 : -shift;
    return mg_rounding_shift_right(mg_doubling_high_mul(mg_shl_s32(x, left), multiplier), right);
}

/* The same, rounded once, ties upwards (FULLY_CONNECTED). */
static inline int32_t mg_requant_single(int32_t x, int32_t multiplier, int32_t shift) {
    const int32_t total = 31 - shift;
    const int64_t round = (int64_t)1 << (total - 1);
    return (int32_t)mg_asr_s64((int64_t)x * (int64_t)multiplier + round, total);
}

/* x * m * 2^(-32 - shift) for the 64-bit m = high * 2^32 + low < 2^63, rounded once to nearest, halves away from zero, saturated
 * (FULLY_CONNECTED, whose reference computes round(x * scale) in double precision; 0 < shift < 64). */
static inline int32_t mg_requant_away(int32_t x, uint32_t low, uint32_t high, int32_t shift) {
    const uint32_t a = x < 0 ? 0u - (uint32_t)x : (uint32_t)x;
    const uint64_t product = (uint64_t)a * high + (((uint64_t)a * low) >> 32);
    const uint64_t rounded = (product >> (shift - 1)) / 2u + ((product >> (shift - 1)) & 1u);
    if (rounded > 0x7fffffffu) {
        return x < 0 ? INT32_MIN : INT32_MAX;
    }
    return x < 0 ? -(int32_t)rounded : (int32_t)rounded;
}

/* x * m * 2^(shift - 15) for 16-bit multipliers m and wide sums, rounded once, ties upwards (16-bit convolutions with 64-bit
 * bias; shift < 15). */
static inline int32_t mg_requant_reduced(int64_t x, int32_t multiplier, int32_t shift) {
    const int32_t total = 15 - shift;
    const uint64_t round = (uint64_t)1 << (total - 1);
    return (int32_t)mg_asr_s64((int64_t)((uint64_t)x * (uint64_t)(int64_t)multiplier + round), total);
}

/* x rounded to nearest, halves away from zero, saturated. */
static inline int32_t mg_round_f64(double x) {
    int32_t whole;
    double rest;
    if (!(x > -2147483648.0 && x < 2147483647.0)) {
        return x > 0.0 ? INT32_MAX : INT32_MIN;
    }
    whole = (int32_t)x;
    rest = x - (double)whole; /* exact */
    return whole + (rest >= 0.5 ? 1 : 0) - (rest <= -0.5 ? 1 : 0);
}

/* a + b modulo 2^32. */
static inline int32_t mg_add_s32(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

/* Taps of a sliding window that fall inside the input along one axis: [mg_tap_begin, mg_tap_end).  `origin` is the position of
 * tap 0, `dilation` the distance between taps, `size` the length of the input. */
static inline int32_t mg_tap_begin(int32_t origin, int32_t dilation, int32_t taps) {
    return origin >= 0 ? 0 : mg_min_s32((dilation - 1 - origin) / dilation, taps);
}

static inline int32_t mg_tap_end(int32_t origin, int32_t dilation, int32_t taps, int32_t size) {
    return origin >= size ? 0 : mg_min_s32((size - origin + dilation - 1) / dilation, taps);
}

#endif
