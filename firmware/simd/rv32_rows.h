/* Verbs on rows for RISC-V: conversions with the rounding mode "to nearest, halves away from zero" of the F extension,
 * and the vector extension 1.0 (Zve32x and more, any VLEN from 128 on); results are exactly those of rows.h. */
#ifndef MG_SIMD_RV32_ROWS_H
#define MG_SIMD_RV32_ROWS_H

#if defined(__riscv_flen)

/* The larger of NaN and a number is the number. */
static inline int32_t mg_rv32_round_clamp_f32(float x, int32_t low, int32_t high) {
    int32_t whole;
    __asm__("fmax.s %1, %1, %2\n\tfmin.s %1, %1, %3\n\tfcvt.w.s %0, %1, rmm"
            : "=r"(whole), "+f"(x)
            : "f"((float)low), "f"((float)high));
    return whole;
}

static inline void mg_rv32_quantize_row_s8(const float *x, int8_t *y, uint32_t n, float scale, int32_t zero_point,
                                           int32_t low, int32_t high) {
    for (uint32_t i = 0; i < n; i++) {
        y[i] = (int8_t)(mg_rv32_round_clamp_f32(x[i] / scale, low, high) + zero_point);
    }
}

#define mg_round_clamp_f32 mg_rv32_round_clamp_f32
#define mg_quantize_row_s8 mg_rv32_quantize_row_s8

#endif

#if defined(__riscv_vector) && defined(MG_SIMD_ROWS_H)

#include <riscv_vector.h>

/* The roundings are those of mg_rvv_requant in rv32_rvv.h. */
static inline void mg_rvv_multiply_row_s8(const mg_product *k, const int8_t *x0, uint32_t step0, const int8_t *x1,
                                          uint32_t step1, int8_t *y, uint32_t n) {
    const size_t left = (size_t)mg_max_s32(k->shift, 0), right = (size_t)mg_max_s32(-k->shift, 0);
    while (n > 0u) {
        const size_t vl = __riscv_vsetvl_e32m8(n);
        const vint8m2_t v0 = step0 != 0u ? __riscv_vle8_v_i8m2(x0, vl) : __riscv_vmv_v_x_i8m2(*x0, vl);
        const vint8m2_t v1 = step1 != 0u ? __riscv_vle8_v_i8m2(x1, vl) : __riscv_vmv_v_x_i8m2(*x1, vl);
        const vint16m4_t d0 = __riscv_vwsub_vx_i16m4(v0, (int8_t)k->zero_point0, vl);
        const vint16m4_t d1 = __riscv_vwsub_vx_i16m4(v1, (int8_t)k->zero_point1, vl);
        vint32m8_t v = __riscv_vsll_vx_i32m8(__riscv_vwmul_vv_i32m8(d0, d1, vl), left, vl);
        v = __riscv_vsmul_vx_i32m8(v, k->multiplier, __RISCV_VXRM_RNU, vl);
        if (right > 0) {
            v = __riscv_vsadd_vv_i32m8(v, __riscv_vsra_vx_i32m8(v, 31, vl), vl);
            v = __riscv_vssra_vx_i32m8(v, right, __RISCV_VXRM_RNU, vl);
        }
        v = __riscv_vadd_vx_i32m8(v, k->output_zero_point, vl);
        v = __riscv_vmin_vx_i32m8(__riscv_vmax_vx_i32m8(v, k->low, vl), k->high, vl);
        __riscv_vse8_v_i8m2(y, __riscv_vncvt_x_x_w_i8m2(__riscv_vncvt_x_x_w_i16m4(v, vl), vl), vl);
        x0 += step0 * vl;
        x1 += step1 * vl;
        y += vl;
        n -= (uint32_t)vl;
    }
}

static inline void mg_rvv_sum_pixels_s8(int32_t *sums, const int8_t *x, uint32_t pixels, uint32_t channels) {
    for (uint32_t left = pixels; left > 0u;) {
        const uint32_t n = left < MG_PIXELS_S16 ? left : MG_PIXELS_S16;
        for (uint32_t c = 0; c < channels;) {
            const size_t vl = __riscv_vsetvl_e32m8(channels - c);
            const int8_t *from = x + c;
            vint16m4_t sum = __riscv_vmv_v_x_i16m4(0, vl);
            for (uint32_t i = n; i > 0u; i--) {
                sum = __riscv_vwadd_wv_i16m4(sum, __riscv_vle8_v_i8m2(from, vl), vl);
                from += channels;
            }
            __riscv_vse32_v_i32m8(sums + c, __riscv_vwadd_wv_i32m8(__riscv_vle32_v_i32m8(sums + c, vl), sum, vl), vl);
            c += (uint32_t)vl;
        }
        x += n * channels;
        left -= n;
    }
}

static inline void mg_rvv_largest_s8(const mg_pool *p, const int8_t *x, int8_t *y) {
    for (int32_t left = p->channels; left > 0;) {
        const size_t vl = __riscv_vsetvl_e8m8((size_t)left);
        const int8_t *from = x;
        vint8m8_t largest = __riscv_vmv_v_x_i8m8(INT8_MIN, vl);
        for (int32_t fy = p->rows; fy > 0; fy--) {
            for (int32_t fx = p->columns; fx > 0; fx--) {
                largest = __riscv_vmax_vv_i8m8(largest, __riscv_vle8_v_i8m8(from, vl), vl);
                from += p->channels;
            }
            from += p->row - p->columns * p->channels;
        }
        largest = __riscv_vmax_vx_i8m8(largest, (int8_t)p->low, vl);
        __riscv_vse8_v_i8m8(y, __riscv_vmin_vx_i8m8(largest, (int8_t)p->high, vl), vl);
        x += vl;
        y += vl;
        left -= (int32_t)vl;
    }
}

/* Magnitudes m < 2^16 divided by count <= 256 with a reciprocal r = floor(2^24 / count) + 1: m * (r * count - 2^24) is
 * below 2^24, so (m * r) >> 24 is the quotient. */
static inline void mg_rvv_average_s8(const mg_pool *p, const int8_t *x, int8_t *y) {
    const int32_t count = p->rows * p->columns;
    const uint32_t reciprocal = (1u << 24) / (uint32_t)count + 1u;
    if (count > (int32_t)MG_PIXELS_S16) {
        mg_average_s8(p, x, y);
        return;
    }
    for (int32_t left = p->channels; left > 0;) {
        const size_t vl = __riscv_vsetvl_e32m8((size_t)left);
        const int8_t *from = x;
        vint16m4_t sum = __riscv_vmv_v_x_i16m4(0, vl);
        vint32m8_t v, sign;
        vuint32m8_t mean;
        for (int32_t fy = p->rows; fy > 0; fy--) {
            for (int32_t fx = p->columns; fx > 0; fx--) {
                sum = __riscv_vwadd_wv_i16m4(sum, __riscv_vle8_v_i8m2(from, vl), vl);
                from += p->channels;
            }
            from += p->row - p->columns * p->channels;
        }
        v = __riscv_vsext_vf2_i32m8(sum, vl);
        sign = __riscv_vsra_vx_i32m8(v, 31, vl);
        v = __riscv_vsub_vv_i32m8(__riscv_vxor_vv_i32m8(v, sign, vl), sign, vl);
        mean = __riscv_vreinterpret_v_i32m8_u32m8(__riscv_vadd_vx_i32m8(v, count / 2, vl));
        mean = __riscv_vmulhu_vx_u32m8(__riscv_vsll_vx_u32m8(mean, 8, vl), reciprocal, vl);
        v = __riscv_vreinterpret_v_u32m8_i32m8(mean);
        v = __riscv_vsub_vv_i32m8(__riscv_vxor_vv_i32m8(v, sign, vl), sign, vl);
        v = __riscv_vmin_vx_i32m8(__riscv_vmax_vx_i32m8(v, p->low, vl), p->high, vl);
        __riscv_vse8_v_i8m2(y, __riscv_vncvt_x_x_w_i8m2(__riscv_vncvt_x_x_w_i16m4(v, vl), vl), vl);
        x += vl;
        y += vl;
        left -= (int32_t)vl;
    }
}

#define mg_multiply_row_s8 mg_rvv_multiply_row_s8
#define mg_sum_pixels_s8   mg_rvv_sum_pixels_s8
#define mg_largest_s8      mg_rvv_largest_s8
#define mg_average_s8      mg_rvv_average_s8

#endif
#endif
