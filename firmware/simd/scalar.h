/* The verbs that kernels are written in, defined in plain C99.
 *
 * This header is the definition: every instruction-set header (armv7em_dsp.h, ...) is included after it, replaces some
 * verbs by faster code of exactly the same result, and is tested against this one.
 */
#ifndef MG_SIMD_SCALAR_H
#define MG_SIMD_SCALAR_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) || defined(__clang__)
#define MG_ALIGN(n) __attribute__((aligned(n)))
#else
#define MG_ALIGN(n)
#endif

/* n bytes to another place, first to last: `to` may lie below `from` in the same buffer, not above. */
static inline void mg_copy(void *to, const void *from, uint32_t n) {
    uint8_t *t = (uint8_t *)to;
    const uint8_t *f = (const uint8_t *)from;
    if ((((uintptr_t)t | (uintptr_t)f) & 3u) == 0u) {
        for (; n >= 16u; n -= 16u) {
            uint32_t w[4]; /* memcpy of a constant size is a load or a store; the C library's own may go byte by byte */
            memcpy(w, f, 16u);
            memcpy(t, w, 16u);
            t += 16;
            f += 16;
        }
        for (; n >= 4u; n -= 4u) {
            uint32_t w;
            memcpy(&w, f, 4u);
            memcpy(t, &w, 4u);
            t += 4;
            f += 4;
        }
    }
    for (; n > 0u; n--) {
        *t++ = *f++;
    }
}

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

/* High half of 2ab, rounded to nearest, ties away from zero for positive and towards zero for negative products:
 * gemmlowp's SaturatingRoundingDoublingHighMul. */
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

/* x * multiplier * 2^-32 for |x| < 2^30, rounded to nearest, halves upwards: mg_doubling_high_mul(x, multiplier / 2).
 */
static inline int32_t mg_high_mul(int32_t x, uint32_t multiplier) {
    const int64_t product = (int64_t)x * (int64_t)(uint64_t)multiplier;
    return (int32_t)mg_asr_s64(product, 32) + (int32_t)((uint32_t)((uint64_t)product & 0xffffffffu) >> 31);
}

/* x * multiplier * 2^-(n + 32) for 0 < n < 32 and |x| < 2^30, rounded as mg_requant_double(x, multiplier / 2, -n) does:
 * to nearest, then to nearest again with halves away from zero.  `round` is 2^(n - 1). */
static inline int32_t mg_requant_right(int32_t x, uint32_t multiplier, int32_t n, int32_t round) {
    const int32_t high = mg_high_mul(x, multiplier);
    return mg_asr_s32(high + round + mg_asr_s32(high, 31), n);
}

/* x * m * 2^(-32 - shift) for the 64-bit m = high * 2^32 + low < 2^63, rounded once to nearest, halves away from zero,
 * saturated (FULLY_CONNECTED, whose reference computes round(x * scale) in double precision; 0 < shift < 64). */
static inline int32_t mg_requant_away(int32_t x, uint32_t low, uint32_t high, int32_t shift) {
    const uint32_t a = x < 0 ? 0u - (uint32_t)x : (uint32_t)x;
    const uint64_t product = (uint64_t)a * high + (((uint64_t)a * low) >> 32);
    const uint64_t rounded = (product >> (shift - 1)) / 2u + ((product >> (shift - 1)) & 1u);
    if (rounded > 0x7fffffffu) {
        return x < 0 ? INT32_MIN : INT32_MAX;
    }
    return x < 0 ? -(int32_t)rounded : (int32_t)rounded;
}

/* mg_requant_away(x, low, high, 32 + n) for 0 < n < 32, with 32-bit numbers: only the upper 32 bits of the product
 * count, halves are decided there, and nothing saturates. */
static inline int32_t mg_requant_away_right(int32_t x, uint32_t low, uint32_t high, int32_t n) {
    const uint32_t negative = x < 0 ? 0xffffffffu : 0u;
    const uint32_t a = ((uint32_t)x ^ negative) - negative;
    const uint64_t product = (uint64_t)a * high + (((uint64_t)a * low) >> 32);
    const uint32_t rounded = ((uint32_t)(product >> 32) + ((uint32_t)1 << (n - 1))) >> n;
    return (int32_t)((rounded ^ negative) - negative);
}

/* x * m * 2^(shift - 15) for 16-bit multipliers m and wide sums, rounded once, ties upwards (16-bit convolutions with
 * 64-bit bias; shift < 15). */
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

/* Taps of a sliding window that fall inside the input along one axis: [mg_tap_begin, mg_tap_end).  `origin` is the
 * position of tap 0, `dilation` the distance between taps, `size` the length of the input. */
static inline int32_t mg_tap_begin(int32_t origin, int32_t dilation, int32_t taps) {
    return origin >= 0 ? 0 : mg_min_s32((dilation - 1 - origin) / dilation, taps);
}

static inline int32_t mg_tap_end(int32_t origin, int32_t dilation, int32_t taps, int32_t size) {
    return origin >= size ? 0 : mg_min_s32((size - origin + dilation - 1) / dilation, taps);
}

/* Leading zero bits of x; x is not 0. */
static inline int32_t mg_clz_u32(uint32_t x) {
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_clz((unsigned)x);
#else
    int32_t n = 0;
    while ((x & 0x80000000u) == 0u) {
        x <<= 1;
        n++;
    }
    return n;
#endif
}

/* x rounded to nearest, halves away from zero, saturated to [low, high]; NaN gives low.  |low| and |high| are below
 * 2^23. */
static inline int32_t mg_round_clamp_f32(float x, int32_t low, int32_t high) {
    if (!(x > (float)low)) {
        return low;
    }
    if (x >= (float)high) {
        return high;
    }
    /* the number below 1/2: a half reaches the next integer when the sum is rounded, less than a half does not */
    return (int32_t)(x + (x < 0.0f ? -0x1.fffffep-2f : 0x1.fffffep-2f));
}

static inline float mg_f32_from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t mg_bits_from_f32(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* The half with the bits h, exactly. */
static inline float mg_f32_from_f16(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    const uint32_t rest = (uint32_t)(h & 0x7fffu) << 13;
    if (rest >= 0x0f800000u) { /* infinity, NaN */
        return mg_f32_from_bits(sign | 0x7f800000u | rest);
    }
    return mg_f32_from_bits(sign | rest) * 0x1p112f; /* corrects the bias of the exponent; subnormal halves as well */
}

/* x as a half, rounded to nearest, ties to even. */
static inline uint16_t mg_f16_from_f32(float x) {
    const uint32_t bits = mg_bits_from_f32(x);
    const uint32_t sign = (bits >> 16) & 0x8000u;
    uint32_t rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u) { /* NaN */
        rest = 0x7e00u;
    } else if (rest >= 0x477ff000u) { /* 65520: rounds to infinity */
        rest = 0x7c00u;
    } else if (rest < 0x38800000u) { /* below 2^-14: a multiple of 2^-24, which is the last place of 1/2 */
        rest = mg_bits_from_f32(mg_f32_from_bits(rest) + 0.5f) - 0x3f000000u;
    } else {
        rest = (rest + 0xfffu + ((rest >> 13) & 1u) - 0x38000000u) >> 13;
    }
    return (uint16_t)(sign | rest);
}

/* A bijection of 32-bit numbers all of whose bits depend on all bits of x (C. Wellons, lowbias32). */
static inline uint32_t mg_hash_u32(uint32_t x) {
    x = (x ^ (x >> 16)) * 0x7feb352du;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    return x ^ (x >> 16);
}

/* x as a half: the part of the last place that does not fit counts with its probability, by 13 random bits.  Beyond the
 * largest half: the largest half.  x is not NaN. */
static inline uint16_t mg_f16_stochastic(float x, uint32_t bits13) {
    const uint32_t bits = mg_bits_from_f32(x);
    const uint32_t sign = (bits >> 16) & 0x8000u;
    uint32_t rest = bits & 0x7fffffffu;
    if (rest < 0x38800000u) { /* below 2^-14, in units of 2^-24 */
        rest = (uint32_t)(mg_f32_from_bits(rest) * 0x1p24f + (float)bits13 * 0x1p-13f);
    } else {
        rest = rest > 0x477fe000u ? 0x477fe000u : rest + bits13;
        rest = ((rest > 0x477fe000u ? 0x477fe000u : rest) - 0x38000000u) >> 13;
    }
    return (uint16_t)(sign | rest);
}

/* Trained weight number `index` as a half: with the state of a generator rounded at random, else to nearest.  Never
 * infinite. */
static inline uint16_t mg_f16_written(float x, const uint32_t *random, uint32_t index) {
    if (random != NULL) {
        return mg_f16_stochastic(x, mg_hash_u32(*random + index * 0x9e3779b9u) >> 19);
    }
    return mg_f16_from_f32(mg_clamp_f32(x, -65504.0f, 65504.0f));
}

/* The state for the next update. */
static inline void mg_next_random(uint32_t *random) {
    if (random != NULL) {
        *random = mg_hash_u32(*random + 0x9e3779b9u);
    }
}

/* exp, tanh and the logistic function from +, *, / and fma alone: the same bits on every core, and at most 1, 1.5
 * and 2.5 units in the last place from the true value.  Polynomials: minimax fits on the reduced intervals. */

/* exp(x).  x = n ln 2 + r, |r| <= ln(2) / 2; exp(r) = 1 + r + r^2 q(r). */
static inline float mg_expf(float x) {
    const float bounded = x > 89.0f ? 89.0f : (x < -104.0f ? -104.0f : x); /* beyond: infinity and 0 */
    const float shifted = mg_fmaf(bounded, 0x1.715476p+0f, 0x1.8p+23f);    /* n in the low bits */
    const float n = shifted - 0x1.8p+23f;
    const float r = mg_fmaf(n, -0x1.7f7d1cp-20f, mg_fmaf(n, -0x1.62e4p-1f, bounded));
    const float near_one = 1.0f + r; /* what its rounding lost is added with the small terms */
    const int32_t exponent = (int32_t)(mg_bits_from_f32(shifted) - 0x4b400000u);
    const int32_t half = mg_asr_s32(exponent, 1); /* 2^n in two factors, each a normal number */
    float q = mg_fmaf(0x1.6db426p-10f, r, 0x1.123b56p-7f);
    q = mg_fmaf(q, r, 0x1.55545ep-5f);
    q = mg_fmaf(q, r, 0x1.55548ep-3f);
    q = mg_fmaf(q, r, 0.5f);
    q = near_one + mg_fmaf(q, r * r, r - (near_one - 1.0f));
    return q * mg_f32_from_bits((uint32_t)(half + 127) << 23) *
           mg_f32_from_bits((uint32_t)(exponent - half + 127) << 23);
}

/* tanh(x): an odd polynomial near 0, where 1 - 2 / (exp(2x) + 1) would cancel. */
static inline float mg_tanhf(float x) {
    const float magnitude = x < 0.0f ? -x : x;
    if (magnitude < 0.625f) {
        const float z = x * x;
        float p = mg_fmaf(-0x1.76abf6p-8f, z, 0x1.5256cep-6f);
        p = mg_fmaf(p, z, -0x1.b84448p-5f);
        p = mg_fmaf(p, z, 0x1.110768p-3f);
        p = mg_fmaf(p, z, -0x1.555534p-2f);
        return mg_fmaf(x * z, p, x);
    } else {
        const float y = 1.0f - 2.0f / (mg_expf(magnitude + magnitude) + 1.0f);
        return x < 0.0f ? -y : y;
    }
}

/* 1 / (1 + exp(-x)), without cancellation and overflow for negative x. */
static inline float mg_logisticf(float x) {
    const float e = mg_expf(x < 0.0f ? x : -x);
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/* x * multiplier * 2^(-n - 31) rounded twice, as mg_requant_double(x, multiplier, -n) with n = n1 + 1 >= 1, plus the
 * zero point zp, saturated to int8; zp2 = 2 * zp + 1.  For |x| < 2^30: doubling x first makes the first rounding one
 * instruction, and the sign of x may stand for that of the product (they differ only where it rounds to 0). */
static inline int32_t mg_requant_s8(int32_t x, int32_t multiplier, int32_t n1, int32_t zp2) {
    const int64_t product = (int64_t)(2 * x) * multiplier + ((int64_t)1 << 31);
    const int32_t high = (int32_t)mg_asr_s64(product, 32) - (x < 0 ? 1 : 0);
    return mg_clamp_s32(mg_asr_s32(mg_asr_s32(high, n1) + zp2, 1), INT8_MIN, INT8_MAX);
}

/* Columns of three pixels for mg_block_s8_2x3: for every four numbers k of a column the pairs (k, k + 2) of the three
 * pixels, then the pairs (k + 1, k + 3).  One pixel of them; n is a multiple of 4. */
static inline void mg_column_s8(int16_t *column, const int8_t *x, int32_t n) {
    for (int32_t k = 0; k < n; k += 4) {
        column[0] = x[k];
        column[1] = x[k + 2];
        column[6] = x[k + 1];
        column[7] = x[k + 3];
        column += 12;
    }
}

/* All three; any n, filled up with zeros to a multiple of 4. */
static inline void mg_columns_s8(int16_t *columns, const int8_t *x0, const int8_t *x1, const int8_t *x2, int32_t n) {
    const int8_t *const x[3] = {x0, x1, x2};
    for (int32_t k = 0; k < ((n + 3) & ~3); k++) {
        for (int32_t i = 0; i < 3; i++) {
            columns[(k >> 2) * 12 + (k & 1) * 6 + i * 2 + ((k >> 1) & 1)] = k < n ? x[i][k] : 0;
        }
    }
}

/* A matrix product of int8 weights and three columns, with its outputs.  Per pair of channels the stream holds: both
 * biases; for every four numbers of depth those of the first and those of the second channel, little-endian;
 * multiplier of the first channel; n1 of the first | n1 of the second << 8; multiplier of the second (mg_requant_s8).
 */
typedef struct {
    int8_t *y;              /* first pixel; moves on */
    int32_t next1, next2;   /* distance of the second and third pixel */
    int32_t zp2;            /* 2 * output zero point + 1 */
    const uint32_t *stream; /* moves on */
    const int16_t *columns; /* 3 * depth numbers */
    int32_t depth;          /* a multiple of 4, not 0 */
    int32_t pairs;          /* of channels, not 0 */
} mg_block_s8;

static inline int32_t mg_byte_s8(uint32_t word, uint32_t byte) {
    return (int32_t)((word >> (8u * byte)) & 0xffu) - (int32_t)((word >> (8u * byte + 7u)) & 1u) * 256;
}

static inline void mg_block_s8_2x3(mg_block_s8 *b) {
    const int32_t steps = b->depth / 4;
    for (int32_t pair = 0; pair < b->pairs; pair++) {
        const uint32_t *const w = b->stream + 2, *const scale = w + 2 * steps;
        for (int32_t c = 0; c < 2; c++) {
            for (int32_t i = 2; i >= 0; i--) {
                uint32_t sum = b->stream[c];
                for (int32_t k = 0; k < b->depth; k++) {
                    const int32_t x = b->columns[(k >> 2) * 12 + (k & 1) * 6 + i * 2 + ((k >> 1) & 1)];
                    sum += (uint32_t)(x * mg_byte_s8(w[2 * (k >> 2) + c], (uint32_t)k & 3u));
                }
                b->y[c + (i == 0 ? 0 : (i == 1 ? b->next1 : b->next2))] = (int8_t)mg_requant_s8(
                    (int32_t)sum, (int32_t)scale[2 * c], (int32_t)((scale[1] >> (8 * c)) & 0xffu), b->zp2);
            }
        }
        b->stream += 2 * steps + 5;
        b->y += 2;
    }
}

/* Clamps n int8 in place. */
static inline void mg_clamp_s8(int8_t *x, int32_t n, int32_t low, int32_t high) {
    for (int32_t i = 0; i < n; i++) {
        x[i] = (int8_t)mg_clamp_s32(x[i], low, high);
    }
}

static inline void mg_fill_s8(int8_t *to, int8_t value, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        to[i] = value;
    }
}

/* n bytes between buffers that do not overlap. */
static inline void mg_copy_s8(int8_t *to, const int8_t *from, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        to[i] = from[i];
    }
}

/* Depthwise convolution of one pixel, four channels at a time.  Per four channels the stream holds: their biases; for
 * every two taps t and t + 1 the weights t0 t1 u0 u1 and t2 t3 u2 u3 of channels 0 to 3, little-endian; an odd last tap
 * as t0 t1 t2 t3; their multipliers; n1 of each, a byte each (mg_requant_s8). */
typedef struct {
    int8_t *y; /* moves on */
    int32_t zp2;
    const uint32_t *stream; /* moves on */
    const int8_t *x;        /* moves on */
    const int32_t *offsets; /* of the taps from x */
    int32_t taps;
    int32_t fours; /* of channels, not 0 */
} mg_depthwise_s8;

static inline void mg_depthwise_s8_4(mg_depthwise_s8 *d) {
    for (int32_t four = 0; four < d->fours; four++) {
        const uint32_t *const w = d->stream + 4, *const scale = w + d->taps;
        for (int32_t c = 0; c < 4; c++) {
            uint32_t sum = d->stream[c];
            for (int32_t t = 0; t < d->taps; t++) {
                const int32_t paired = (t | 1) < d->taps;
                const uint32_t word = paired ? w[(t & ~1) + (c >> 1)] : w[t];
                const uint32_t byte = (uint32_t)(paired ? 2 * (t & 1) + (c & 1) : c);
                sum += (uint32_t)(d->x[d->offsets[t] + c] * mg_byte_s8(word, byte));
            }
            d->y[c] = (int8_t)mg_requant_s8((int32_t)sum, (int32_t)scale[c], (int32_t)((scale[4] >> (8 * c)) & 0xffu),
                                            d->zp2);
        }
        d->stream += d->taps + 9;
        d->x += 4;
        d->y += 4;
    }
}

/* How mg_add_s8 brings two inputs to a common scale: x0 has the larger scale.
 * t = (((x1 - zero_point1) * multiplier1 * 2^-10, rounded) + round1 - [x1 < zero_point1]) >> shift1, plus x0 * 2^19;
 * y = (2 t * multiplier * 2^-32, rounded, + round - [t < 0]) >> shift, saturated to int8. */
typedef struct {
    int32_t zero_point1, multiplier1, round1, shift1;
    int32_t multiplier, round, shift;
} mg_add_scale_s8;

static inline int32_t mg_high_mul_round(int32_t a, int32_t b, int32_t sum) {
    return mg_add_s32(sum, (int32_t)mg_asr_s64((int64_t)a * b + ((int64_t)1 << 31), 32));
}

static inline void mg_add_s8(const mg_add_scale_s8 *s, const int8_t *x0, const int8_t *x1, int8_t *y, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const int32_t b = (x1[i] - s->zero_point1) * (1 << 21);
        const int32_t scaled = mg_high_mul_round(b, s->multiplier1, s->round1) - (b < 0 ? 1 : 0);
        const int32_t t = 2 * (mg_asr_s32(scaled, s->shift1) + x0[i] * (1 << 19));
        const int32_t sum = mg_high_mul_round(t, s->multiplier, s->round) - (t < 0 ? 1 : 0);
        y[i] = (int8_t)mg_clamp_s32(mg_asr_s32(sum, s->shift), INT8_MIN, INT8_MAX);
    }
}

/* sum[r] += weights of row r times the vector, for four rows: four numbers of each in turn, little-endian.  depth is a
 * multiple of 4, not 0. */
static inline void mg_rows_s8_4(const uint32_t *w, const int8_t *vector, int32_t depth, int32_t sum[4]) {
    for (int32_t r = 0; r < 4; r++) {
        uint32_t total = (uint32_t)sum[r];
        for (int32_t k = 0; k < depth; k++) {
            total += (uint32_t)(vector[k] * mg_byte_s8(w[(k & ~3) + r], (uint32_t)k & 3u));
        }
        sum[r] = (int32_t)total;
    }
}

#endif
