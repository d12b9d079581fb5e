/* Verbs on rows for the vector extension of Armv8.1-M (MVE); results are exactly those of rows.h, and nothing is read
 * or written beyond what the definitions read and write. */
#ifndef MG_SIMD_ARMV8M_ROWS_H
#define MG_SIMD_ARMV8M_ROWS_H

#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1) && defined(MG_SIMD_ROWS_H)
#include <arm_mve.h>

#if (__ARM_FEATURE_MVE & 2)

/* There is no division of vectors.  The larger of NaN and a number is the number; subnormal quotients, which vectors
 * take for 0, round to 0. */
static inline void mg_mve_quantize_row_s8(const float *x, int8_t *y, uint32_t n, float scale, int32_t zero_point,
                                          int32_t low, int32_t high) {
    const float32x4_t least = vdupq_n_f32((float)low), most = vdupq_n_f32((float)high);
    while (n > 0u) {
        const mve_pred16_t p = vctp32q(n);
        float32x4_t v = vldrwq_z_f32(x, p);
        v = vsetq_lane_f32(vgetq_lane_f32(v, 0) / scale, v, 0);
        v = vsetq_lane_f32(vgetq_lane_f32(v, 1) / scale, v, 1);
        v = vsetq_lane_f32(vgetq_lane_f32(v, 2) / scale, v, 2);
        v = vsetq_lane_f32(vgetq_lane_f32(v, 3) / scale, v, 3);
        v = vminnmq_f32(vmaxnmq_f32(v, least), most);
        vstrbq_p_s32(y, vaddq_n_s32(vcvtaq_s32_f32(v), zero_point), p);
        x += 4;
        y += 4;
        n = n > 4u ? n - 4u : 0u;
    }
}

/* Vectors take subnormal products for 0; with a normal scale there are none. */
static inline void mg_mve_dequantize_row_s8(const int8_t *x, float *y, uint32_t n, float scale, int32_t zero_point) {
    if (scale < 0x1p-126f) {
        mg_dequantize_row_s8(x, y, n, scale, zero_point);
        return;
    }
    while (n > 0u) {
        const mve_pred16_t p = vctp32q(n);
        const int32x4_t v = vsubq_n_s32(vldrbq_z_s32(x, p), zero_point);
        vstrwq_p_f32(y, vmulq_n_f32(vcvtq_f32_s32(v), scale), p);
        x += 4;
        y += 4;
        n = n > 4u ? n - 4u : 0u;
    }
}

#define mg_quantize_row_s8   mg_mve_quantize_row_s8
#define mg_dequantize_row_s8 mg_mve_dequantize_row_s8

#endif

/* Both roundings are those of mg_mve_requant in armv8m_mve.h. */
static inline void mg_mve_multiply_row_s8(const mg_product *k, const int8_t *x0, uint32_t step0, const int8_t *x1,
                                          uint32_t step1, int8_t *y, uint32_t n) {
    const int32x4_t low = vdupq_n_s32(k->low), high = vdupq_n_s32(k->high);
    const int32_t left = mg_max_s32(k->shift, 0), right = mg_min_s32(k->shift, 0);
    while (n > 0u) {
        const mve_pred16_t p = vctp32q(n);
        int32x4_t a = step0 != 0u ? vldrbq_z_s32(x0, p) : vdupq_n_s32(*x0);
        int32x4_t b = step1 != 0u ? vldrbq_z_s32(x1, p) : vdupq_n_s32(*x1);
        a = vmulq_s32(vsubq_n_s32(a, k->zero_point0), vsubq_n_s32(b, k->zero_point1));
        a = vqrdmulhq_n_s32(vshlq_r_s32(a, left), k->multiplier);
        if (right < 0) {
            a = vrshlq_n_s32(vqaddq_s32(a, vshrq_n_s32(a, 31)), right);
        }
        a = vaddq_n_s32(a, k->output_zero_point);
        vstrbq_p_s32(y, vminq_s32(vmaxq_s32(a, low), high), p);
        x0 += 4u * step0;
        x1 += 4u * step1;
        y += 4;
        n = n > 4u ? n - 4u : 0u;
    }
}

static inline void mg_mve_sum_pixels_s8(int32_t *sums, const int8_t *x, uint32_t pixels, uint32_t channels) {
    for (uint32_t left = pixels; left > 0u;) {
        const uint32_t n = left < MG_PIXELS_S16 ? left : MG_PIXELS_S16;
        for (uint32_t c = 0; c < channels; c += 8u) {
            const mve_pred16_t p = vctp16q(channels - c), p0 = vctp32q(channels - c);
            const int8_t *from = x + c;
            int16x8_t sum = vdupq_n_s16(0);
            int16_t part[8];
            for (uint32_t i = n; i > 0u; i--) {
                sum = vaddq_s16(sum, vldrbq_z_s16(from, p));
                from += channels;
            }
            vstrhq_s16(part, sum);
            vstrwq_p_s32(sums + c, vaddq_s32(vldrwq_z_s32(sums + c, p0), vldrhq_s32(part)), p0);
            if (channels - c > 4u) {
                const mve_pred16_t p1 = vctp32q(channels - c - 4u);
                vstrwq_p_s32(sums + c + 4, vaddq_s32(vldrwq_z_s32(sums + c + 4, p1), vldrhq_s32(part + 4)), p1);
            }
        }
        x += n * channels;
        left -= n;
    }
}

static inline void mg_mve_largest_s8(const mg_pool *p, const int8_t *x, int8_t *y) {
    const int8x16_t low = vdupq_n_s8((int8_t)p->low), high = vdupq_n_s8((int8_t)p->high);
    for (int32_t left = p->channels; left > 0; left -= 16) {
        const mve_pred16_t tail = vctp8q((uint32_t)left);
        const int8_t *from = x;
        int8x16_t largest = vdupq_n_s8(INT8_MIN);
        for (int32_t fy = p->rows; fy > 0; fy--) {
            for (int32_t fx = p->columns; fx > 0; fx--) {
                largest = vmaxq_s8(largest, vldrbq_z_s8(from, tail));
                from += p->channels;
            }
            from += p->row - p->columns * p->channels;
        }
        vstrbq_p_s8(y, vminq_s8(vmaxq_s8(largest, low), high), tail);
        x += 16;
        y += 16;
    }
}

/* Magnitudes m < 2^16 divided by count <= 256 with a reciprocal r = floor(2^24 / count) + 1: m * (r * count - 2^24) is
 * below 2^24, so (m * r) >> 24 is the quotient. */
static inline int32x4_t mg_mve_mean(const mg_pool *p, int32x4_t sum, int32_t count, uint32_t reciprocal) {
    const int32x4_t sign = vshrq_n_s32(sum, 31);
    const uint32x4_t magnitude = vaddq_n_u32(vreinterpretq_u32_s32(vabsq_s32(sum)), (uint32_t)(count / 2));
    const uint32x4_t mean = vmulhq_u32(vshlq_n_u32(magnitude, 8), vdupq_n_u32(reciprocal));
    const int32x4_t y = vsubq_s32(veorq_s32(vreinterpretq_s32_u32(mean), sign), sign);
    return vminq_s32(vmaxq_s32(y, vdupq_n_s32(p->low)), vdupq_n_s32(p->high));
}

static inline void mg_mve_average_s8(const mg_pool *p, const int8_t *x, int8_t *y) {
    const int32_t count = p->rows * p->columns;
    const uint32_t reciprocal = (1u << 24) / (uint32_t)count + 1u;
    if (count > (int32_t)MG_PIXELS_S16) {
        mg_average_s8(p, x, y);
        return;
    }
    for (int32_t left = p->channels; left > 0; left -= 8) {
        const mve_pred16_t tail = vctp16q((uint32_t)left);
        const int8_t *from = x;
        int16x8_t sum = vdupq_n_s16(0);
        int16_t part[8];
        for (int32_t fy = p->rows; fy > 0; fy--) {
            for (int32_t fx = p->columns; fx > 0; fx--) {
                sum = vaddq_s16(sum, vldrbq_z_s16(from, tail));
                from += p->channels;
            }
            from += p->row - p->columns * p->channels;
        }
        vstrhq_s16(part, sum);
        vstrbq_p_s32(y, mg_mve_mean(p, vldrhq_s32(part), count, reciprocal), vctp32q((uint32_t)left));
        if (left > 4) {
            vstrbq_p_s32(y + 4, mg_mve_mean(p, vldrhq_s32(part + 4), count, reciprocal), vctp32q((uint32_t)left - 4u));
        }
        x += 8;
        y += 8;
    }
}

#define mg_multiply_row_s8 mg_mve_multiply_row_s8
#define mg_sum_pixels_s8   mg_mve_sum_pixels_s8
#define mg_largest_s8      mg_mve_largest_s8
#define mg_average_s8      mg_mve_average_s8

#endif
#endif
