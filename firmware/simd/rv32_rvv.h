/* Verbs for the vector extension of RISC-V 1.0 (Zve32x and more): int8 products of two numbers are added in 16 bits,
 * those sums in 32 bits, with vectors of eight registers; any VLEN from 128 on.
 *
 * A verb is replaced by a macro of its name; its result is exactly that of lanes.h.
 */
#ifndef MG_SIMD_RV32_RVV_H
#define MG_SIMD_RV32_RVV_H

#if defined(__riscv_vector) && defined(MG_SIMD_LANES_H)

#include <riscv_vector.h>
#include <stddef.h>

/* Both roundings of mg_requant_double, zero point, activation.  vsmul rounds halves upwards, as the doubling high
 * multiplication does (they differ only for INT32_MIN * INT32_MIN).  vnclip rounds halves upwards as well; one is taken
 * off negative numbers first, so that theirs go down.  Saturation to 16 bits cannot be seen behind the clamp to 8. */
static inline void mg_rvv_store(vint32m8_t sum, vint32m8_t multiplier, vuint16m4_t shift, const mg_lanes_scaling *s,
                                int8_t *y, size_t vl) {
    vint16m4_t out;
    sum = __riscv_vsmul_vv_i32m8(sum, multiplier, __RISCV_VXRM_RNU, vl);
    sum = __riscv_vadd_vv_i32m8(sum, __riscv_vsra_vx_i32m8(sum, 31, vl), vl);
    out = __riscv_vnclip_wv_i16m4(sum, shift, __RISCV_VXRM_RNU, vl);
    out = __riscv_vsadd_vx_i16m4(out, (int16_t)s->zero_point, vl);
    out = __riscv_vmin_vx_i16m4(__riscv_vmax_vx_i16m4(out, (int16_t)s->low, vl), (int16_t)s->high, vl);
    __riscv_vse8_v_i8m2(y, __riscv_vncvt_x_x_w_i8m2(out, vl), vl);
}

static inline void mg_rvv_product_s8(const int8_t *x0, int32_t skip0, const int8_t *x1, int32_t skip1, int32_t rows,
                                     int32_t run, const int8_t *w, const int32_t *bias, int32_t channels,
                                     const mg_lanes_scaling *s, int8_t *y0, int8_t *y1) {
    size_t vl;
    for (int32_t first = 0; first < channels; first += (int32_t)vl) {
        const int8_t *a = x0, *b = x1, *from = w + first;
        vint32m8_t sum0, sum1, multiplier;
        vuint16m4_t shift;
        vl = __riscv_vsetvl_e32m8((size_t)(channels - first));
        sum0 = __riscv_vle32_v_i32m8(bias + first, vl);
        sum1 = sum0;
        for (int32_t row = rows; row > 0; row--) {
            const int8_t *const end = a + (run & ~1);
            while (a != end) {
                const vint8m2_t w0 = __riscv_vle8_v_i8m2(from, vl);
                const vint8m2_t w1 = __riscv_vle8_v_i8m2(from + channels, vl);
                vint16m4_t p0 = __riscv_vwmul_vx_i16m4(w0, a[0], vl);
                vint16m4_t p1 = __riscv_vwmul_vx_i16m4(w0, b[0], vl);
                p0 = __riscv_vwmacc_vx_i16m4(p0, a[1], w1, vl);
                p1 = __riscv_vwmacc_vx_i16m4(p1, b[1], w1, vl);
                sum0 = __riscv_vwadd_wv_i32m8(sum0, p0, vl);
                sum1 = __riscv_vwadd_wv_i32m8(sum1, p1, vl);
                a += 2;
                b += 2;
                from += 2 * channels;
            }
            if ((run & 1) != 0) {
                const vint8m2_t w0 = __riscv_vle8_v_i8m2(from, vl);
                sum0 = __riscv_vwadd_wv_i32m8(sum0, __riscv_vwmul_vx_i16m4(w0, *a++, vl), vl);
                sum1 = __riscv_vwadd_wv_i32m8(sum1, __riscv_vwmul_vx_i16m4(w0, *b++, vl), vl);
                from += channels;
            }
            a += skip0;
            b += skip1;
        }
        multiplier = __riscv_vle32_v_i32m8(s->multiplier + first, vl);
        shift = __riscv_vle16_v_u16m4(s->shift + first, vl);
        mg_rvv_store(sum0, multiplier, shift, s, y0 + first, vl);
        mg_rvv_store(sum1, multiplier, shift, s, y1 + first, vl);
    }
}

static inline void mg_rvv_taps_s8(const int8_t *x0, const int8_t *x1, int32_t step, int32_t skip, int32_t rows,
                                  int32_t columns, const int8_t *w, const int32_t *bias, int32_t channels,
                                  const mg_lanes_scaling *s, int8_t *y0, int8_t *y1) {
    size_t vl;
    for (int32_t first = 0; first < channels; first += (int32_t)vl) {
        const int8_t *a = x0 + first, *b = x1 + first, *from = w + first;
        vint32m8_t sum0, sum1, multiplier;
        vuint16m4_t shift;
        vl = __riscv_vsetvl_e32m8((size_t)(channels - first));
        sum0 = __riscv_vle32_v_i32m8(bias + first, vl);
        sum1 = sum0;
        for (int32_t row = rows; row > 0; row--) {
            int32_t left = columns;
            for (; left > 1; left -= 2) {
                const vint8m2_t w0 = __riscv_vle8_v_i8m2(from, vl);
                const vint8m2_t w1 = __riscv_vle8_v_i8m2(from + channels, vl);
                vint16m4_t p0 = __riscv_vwmul_vv_i16m4(w0, __riscv_vle8_v_i8m2(a, vl), vl);
                vint16m4_t p1 = __riscv_vwmul_vv_i16m4(w0, __riscv_vle8_v_i8m2(b, vl), vl);
                p0 = __riscv_vwmacc_vv_i16m4(p0, w1, __riscv_vle8_v_i8m2(a + step, vl), vl);
                p1 = __riscv_vwmacc_vv_i16m4(p1, w1, __riscv_vle8_v_i8m2(b + step, vl), vl);
                sum0 = __riscv_vwadd_wv_i32m8(sum0, p0, vl);
                sum1 = __riscv_vwadd_wv_i32m8(sum1, p1, vl);
                a += 2 * step;
                b += 2 * step;
                from += 2 * channels;
            }
            if (left != 0) {
                const vint8m2_t w0 = __riscv_vle8_v_i8m2(from, vl);
                const vint16m4_t p0 = __riscv_vwmul_vv_i16m4(w0, __riscv_vle8_v_i8m2(a, vl), vl);
                const vint16m4_t p1 = __riscv_vwmul_vv_i16m4(w0, __riscv_vle8_v_i8m2(b, vl), vl);
                sum0 = __riscv_vwadd_wv_i32m8(sum0, p0, vl);
                sum1 = __riscv_vwadd_wv_i32m8(sum1, p1, vl);
                a += step;
                b += step;
                from += channels;
            }
            a += skip;
            b += skip;
        }
        multiplier = __riscv_vle32_v_i32m8(s->multiplier + first, vl);
        shift = __riscv_vle16_v_u16m4(s->shift + first, vl);
        mg_rvv_store(sum0, multiplier, shift, s, y0 + first, vl);
        mg_rvv_store(sum1, multiplier, shift, s, y1 + first, vl);
    }
}

static inline void mg_rvv_edge_s8(const int8_t *x, int32_t step, int32_t skip, int32_t rows, int32_t columns,
                                  int32_t input_zero_point, const int8_t *w, int32_t w_skip, const int32_t *bias,
                                  int32_t channels, const mg_lanes_scaling *s, int8_t *y) {
    size_t vl;
    for (int32_t first = 0; first < channels; first += (int32_t)vl) {
        const int8_t *a = x + first, *from = w + first;
        vint32m8_t sum;
        vl = __riscv_vsetvl_e32m8((size_t)(channels - first));
        sum = __riscv_vle32_v_i32m8(bias + first, vl);
        for (int32_t row = rows; row > 0; row--) {
            for (int32_t left = columns; left > 0; left--) {
                const vint16m4_t v = __riscv_vwsub_vx_i16m4(__riscv_vle8_v_i8m2(a, vl), (int8_t)input_zero_point, vl);
                const vint16m4_t t = __riscv_vsext_vf2_i16m4(__riscv_vle8_v_i8m2(from, vl), vl);
                sum = __riscv_vwmacc_vv_i32m8(sum, v, t, vl);
                a += step;
                from += channels;
            }
            a += skip;
            from += w_skip;
        }
        mg_rvv_store(sum, __riscv_vle32_v_i32m8(s->multiplier + first, vl), __riscv_vle16_v_u16m4(s->shift + first, vl),
                     s, y + first, vl);
    }
}

/* |sum| times the 63-bit multiplier, of which the upper 64 of 95 bits are needed, and of these only the upper 32 where
 * the last shift takes more than 32: a half is then decided there. */
static inline vint32m4_t mg_rvv_away(vint32m4_t sum, const mg_lanes_away *s, int32_t c, size_t vl) {
    const vuint32m4_t magnitude =
        __riscv_vreinterpret_v_i32m4_u32m4(__riscv_vmax_vv_i32m4(sum, __riscv_vneg_v_i32m4(sum, vl), vl));
    const vuint32m4_t high_half = __riscv_vle32_v_u32m4(s->high_half + c, vl);
    const vuint32m4_t carried = __riscv_vmulhu_vv_u32m4(magnitude, __riscv_vle32_v_u32m4(s->low_half + c, vl), vl);
    const vbool8_t carry = __riscv_vmadc_vv_u32m4_b8(__riscv_vmul_vv_u32m4(magnitude, high_half, vl), carried, vl);
    vuint32m4_t out = __riscv_vadc_vxm_u32m4(__riscv_vmulhu_vv_u32m4(magnitude, high_half, vl), 0, carry, vl);
    vint32m4_t scaled, negative;
    out = __riscv_vssrl_vv_u32m4(out, __riscv_vle32_v_u32m4(s->shift + c, vl), __RISCV_VXRM_RNU, vl);
    scaled = __riscv_vreinterpret_v_u32m4_i32m4(out);
    negative = __riscv_vsra_vx_i32m4(sum, 31, vl);
    return __riscv_vsub_vv_i32m4(__riscv_vxor_vv_i32m4(scaled, negative, vl), negative, vl);
}

static inline void mg_rvv_vector_s8(const int8_t *x, int32_t depth, const int8_t *w, const int32_t *bias,
                                    int32_t channels, const mg_lanes_away *s, int8_t *y) {
    const size_t half = __riscv_vsetvlmax_e32m4();
    size_t vl;
    for (int32_t first = 0; first < channels; first += (int32_t)vl) {
        const int8_t *a = x, *from = w + first;
        const int8_t *const end = x + (depth & ~1);
        vint32m8_t sum;
        vl = __riscv_vsetvl_e32m8((size_t)(channels - first));
        sum = __riscv_vle32_v_i32m8(bias + first, vl);
        while (a != end) {
            const vint8m2_t w0 = __riscv_vle8_v_i8m2(from, vl);
            const vint8m2_t w1 = __riscv_vle8_v_i8m2(from + channels, vl);
            vint16m4_t p = __riscv_vwmul_vx_i16m4(w0, a[0], vl);
            p = __riscv_vwmacc_vx_i16m4(p, a[1], w1, vl);
            sum = __riscv_vwadd_wv_i32m8(sum, p, vl);
            a += 2;
            from += 2 * channels;
        }
        if ((depth & 1) != 0) {
            sum = __riscv_vwadd_wv_i32m8(sum, __riscv_vwmul_vx_i16m4(__riscv_vle8_v_i8m2(from, vl), *a, vl), vl);
        }
        for (size_t part = 0; part < 2 && part * half < vl; part++) {
            const size_t n = part == 0 && vl > half ? half : vl - part * half;
            const vint32m4_t four = part == 0 ? __riscv_vget_v_i32m8_i32m4(sum, 0) : __riscv_vget_v_i32m8_i32m4(sum, 1);
            const vint32m4_t scaled = mg_rvv_away(four, s, first + (int32_t)(part * half), n);
            vint16m2_t out = __riscv_vnclip_wx_i16m2(scaled, 0, __RISCV_VXRM_RNU, n);
            out = __riscv_vsadd_vx_i16m2(out, (int16_t)s->zero_point, n);
            out = __riscv_vmin_vx_i16m2(__riscv_vmax_vx_i16m2(out, (int16_t)s->low, n), (int16_t)s->high, n);
            __riscv_vse8_v_i8m1(y + first + (int32_t)(part * half), __riscv_vncvt_x_x_w_i8m1(out, n), n);
        }
    }
}

/* mg_requant_double(x, multiplier, -shift). */
static inline vint32m8_t mg_rvv_requant(vint32m8_t x, int32_t multiplier, int32_t shift, size_t vl) {
    x = __riscv_vsmul_vx_i32m8(x, multiplier, __RISCV_VXRM_RNU, vl);
    if (shift > 0) {
        x = __riscv_vadd_vv_i32m8(x, __riscv_vsra_vx_i32m8(x, 31, vl), vl);
        x = __riscv_vssra_vx_i32m8(x, (size_t)shift, __RISCV_VXRM_RNU, vl);
    }
    return x;
}

static inline void mg_rvv_add_s8(const mg_lanes_sum *s, const int8_t *x0, const int8_t *x1, int8_t *y, uint32_t n) {
    while (n > 0u) {
        const size_t vl = __riscv_vsetvl_e32m8(n);
        const int32_t left = 1 << s->left_shift;
        const vint16m4_t d0 = __riscv_vwsub_vx_i16m4(__riscv_vle8_v_i8m2(x0, vl), (int8_t)s->zero_point0, vl);
        const vint16m4_t d1 = __riscv_vwsub_vx_i16m4(__riscv_vle8_v_i8m2(x1, vl), (int8_t)s->zero_point1, vl);
        vint32m8_t a = __riscv_vmul_vx_i32m8(__riscv_vsext_vf2_i32m8(d0, vl), left, vl);
        vint32m8_t b = __riscv_vmul_vx_i32m8(__riscv_vsext_vf2_i32m8(d1, vl), left, vl);
        vint16m4_t out;
        a = mg_rvv_requant(a, s->multiplier0, s->shift0, vl);
        b = mg_rvv_requant(b, s->multiplier1, s->shift1, vl);
        a = s->sign > 0 ? __riscv_vadd_vv_i32m8(a, b, vl) : __riscv_vsub_vv_i32m8(a, b, vl);
        a = mg_rvv_requant(a, s->multiplier, s->shift, vl);
        out = __riscv_vnclip_wx_i16m4(a, 0, __RISCV_VXRM_RNU, vl);
        out = __riscv_vsadd_vx_i16m4(out, (int16_t)s->output_zero_point, vl);
        out = __riscv_vmin_vx_i16m4(__riscv_vmax_vx_i16m4(out, (int16_t)s->low, vl), (int16_t)s->high, vl);
        __riscv_vse8_v_i8m2(y, __riscv_vncvt_x_x_w_i8m2(out, vl), vl);
        x0 += vl;
        x1 += vl;
        y += vl;
        n -= (uint32_t)vl;
    }
}

static inline void mg_rvv_lookup(const uint8_t *table, const uint8_t *x, uint8_t *y, uint32_t n) {
    while (n > 0u) {
        const size_t vl = __riscv_vsetvl_e8m8(n);
        __riscv_vse8_v_u8m8(y, __riscv_vluxei8_v_u8m8(table, __riscv_vle8_v_u8m8(x, vl), vl), vl);
        x += vl;
        y += vl;
        n -= (uint32_t)vl;
    }
}

#define mg_lanes_product_s8 mg_rvv_product_s8
#define mg_lanes_taps_s8    mg_rvv_taps_s8
#define mg_lanes_edge_s8    mg_rvv_edge_s8
#define mg_lanes_vector_s8  mg_rvv_vector_s8
#define mg_lanes_add_s8     mg_rvv_add_s8
#define mg_lanes_lookup     mg_rvv_lookup

#endif
#endif
