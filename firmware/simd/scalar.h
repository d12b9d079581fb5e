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

#endif
