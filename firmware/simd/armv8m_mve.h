/* Verbs for the vector extension of Armv8.1-M (MVE, Helium: Cortex-M55, M85); results are exactly those of vector128.h.
 *
 * Nothing is read or written beyond what the definitions read and write.
 */
#ifndef MG_SIMD_ARMV8M_MVE_H
#define MG_SIMD_ARMV8M_MVE_H

#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1) && defined(MG_SIMD_VECTOR128_H)
#include <arm_mve.h>

/* Four requantisations.  VQRDMULH rounds 2ab to nearest with ties upwards, which is what mg_doubling_high_mul computes.
 * VRSHL also rounds ties upwards; gemmlowp's shift rounds them away from zero: negative numbers are lowered by one
 * before, which moves exactly the ties (`y & shift` is negative where y is and the shift is not 0). */
static inline int32x4_t mg_mve_requant(int32x4_t x, int32x4_t multiplier, int32x4_t shift, int32_t known) {
    int32x4_t y;
    if (known == MG_SCALING_ANY) {
        x = vshlq_s32(x, vmaxq_s32(shift, vdupq_n_s32(0)));
        shift = vminq_s32(shift, vdupq_n_s32(0));
    }
    y = vqrdmulhq_s32(x, multiplier);
    if (known != MG_SCALING_POSITIVE) {
        y = vqaddq_s32(y, vshrq_n_s32(vandq_s32(y, shift), 31));
    }
    return vrshlq_s32(y, shift);
}

/* One block of 4 channels by 2 columns; eight sums take all even registers, and VMLADAVA takes no others. */
#define MG_MVE_BLOCK_4X2(mla)                                                                                          \
    "vldrb.8 q2, [%[a]], #16\n\t"                                                                                      \
    "vldrb.8 q0, [%[w]], #64\n\t"                                                                                      \
    "vldrb.8 q3, [%[b]], #16\n\t" mla " %[a0], q0, q2\n\t"                                                             \
    "vldrb.8 q1, [%[w], #-48]\n\t" mla " %[b0], q0, q3\n\t" mla " %[a1], q1, q2\n\t"                                   \
    "vldrb.8 q0, [%[w], #-32]\n\t" mla " %[b1], q1, q3\n\t" mla " %[a2], q0, q2\n\t"                                   \
    "vldrb.8 q1, [%[w], #-16]\n\t" mla " %[b2], q0, q3\n\t" mla " %[a3], q1, q2\n\t" mla " %[b3], q1, q3\n\t"

/* Sums of 4 channels for both columns; returns the weights behind those that were used. */
static inline const int8_t *mg_mve_dot_4x2(const int8_t *w, const int8_t *a, const int8_t *b, int32_t blocks,
                                           int32x4_t *sum_a, int32x4_t *sum_b) {
    int32_t a0, a1, a2, a3, b0, b1, b2, b3;
    int32x4_t sa, sb;
    __asm__(MG_MVE_BLOCK_4X2("vmladav.s8") "subs %[n], #1\n\t"
                                           "beq 2f\n"
                                           "1:\n\t" MG_MVE_BLOCK_4X2("vmladava.s8") "subs %[n], #1\n\t"
                                                                                    "bne 1b\n"
                                                                                    "2:\n\t"
                                                                                    "vmov %q[sa][2], %q[sa][0], %[a0], %[a2]\n\t"
                                                                                    "vmov %q[sa][3], %q[sa][1], %[a1], %[a3]\n\t"
                                                                                    "vmov %q[sb][2], %q[sb][0], %[b0], %[b2]\n\t"
                                                                                    "vmov %q[sb][3], %q[sb][1], %[b1], %[b3]\n\t"
            : [a] "+r"(a), [b] "+r"(b), [w] "+r"(w), [n] "+r"(blocks), [sa] "=&w"(sa), [sb] "=&w"(sb), [a0] "=&Te"(a0),
              [a1] "=&Te"(a1), [a2] "=&Te"(a2), [a3] "=&Te"(a3), [b0] "=&Te"(b0), [b1] "=&Te"(b1), [b2] "=&Te"(b2),
              [b3] "=&Te"(b3)
            :
            : "q0", "q1", "q2", "q3", "cc", "memory");
    *sum_a = sa;
    *sum_b = sb;
    return w;
}

static inline void mg_mve_rows_s8_2(const mg_rows_s8 *r, const int8_t *x0, const int8_t *x1, int8_t *y0, int8_t *y1,
                                    int32_t known) {
    const int8_t *w = r->weights;
    const int32_t *s = r->scaling;
    const int32x4_t low = vdupq_n_s32(r->low), high = vdupq_n_s32(r->high);
    for (int32_t left = r->channels; left > 0; left -= 4) {
        int32x4_t a, b, bias, multiplier, shift;
        w = mg_mve_dot_4x2(w, x0, x1, r->blocks, &a, &b);
        bias = vldrwq_s32(s);
        multiplier = vldrwq_s32(s + 4);
        shift = vldrwq_s32(s + 8);
        s += 12;
        a = mg_mve_requant(vaddq_s32(a, bias), multiplier, shift, known);
        b = mg_mve_requant(vaddq_s32(b, bias), multiplier, shift, known);
        a = vminq_s32(vmaxq_s32(vaddq_n_s32(a, r->zero_point), low), high);
        b = vminq_s32(vmaxq_s32(vaddq_n_s32(b, r->zero_point), low), high);
        if (left >= 4) {
            vstrbq_s32(y0, a);
            vstrbq_s32(y1, b);
        } else {
            vstrbq_p_s32(y0, a, vctp32q((uint32_t)left));
            vstrbq_p_s32(y1, b, vctp32q((uint32_t)left));
        }
        y0 += 4;
        y1 += 4;
    }
}

static inline void mg_mve_mk_rows_s8_2(const mg_rows_s8 *r, const int8_t *x0, const int8_t *x1, int8_t *y0, int8_t *y1) {
    if (r->known == MG_SCALING_POSITIVE) {
        mg_mve_rows_s8_2(r, x0, x1, y0, y1, MG_SCALING_POSITIVE);
    } else if (r->known == MG_SCALING_RIGHT) {
        mg_mve_rows_s8_2(r, x0, x1, y0, y1, MG_SCALING_RIGHT);
    } else {
        mg_mve_rows_s8_2(r, x0, x1, y0, y1, MG_SCALING_ANY);
    }
}

/* Narrow pixels go several at a time: byte lane i belongs to byte i % c of pixel i / c. */
static inline void mg_mve_spread_s8(int8_t *to, int32_t step, const int8_t *from, int32_t c, int32_t n) {
    if (c <= 4 && 15 * step <= 255) {
        uint8_t lane[16];
        const int32_t together = 16 / c;
        uint8x16_t offset;
        int32_t left = n * c;
        for (int32_t i = 0; i < 16; i++) {
            lane[i] = (uint8_t)(i / c * step + i % c);
        }
        offset = vldrbq_u8(lane);
        for (; left >= together * c; left -= together * c) {
            vstrbq_scatter_offset_p_s8(to, offset, vldrbq_z_s8(from, vctp8q((uint32_t)(together * c))),
                                       vctp8q((uint32_t)(together * c)));
            from += together * c;
            to += together * step;
        }
        if (left > 0) {
            vstrbq_scatter_offset_p_s8(to, offset, vldrbq_z_s8(from, vctp8q((uint32_t)left)), vctp8q((uint32_t)left));
        }
        return;
    }
    for (; n > 0; n--) {
        int32_t left = c;
        for (; left >= 16; left -= 16) {
            vstrbq_s8(to + c - left, vldrbq_s8(from + c - left));
        }
        if (left > 0) {
            const mve_pred16_t tail = vctp8q((uint32_t)left);
            vstrbq_p_s8(to + c - left, vldrbq_z_s8(from + c - left, tail), tail);
        }
        to += step;
        from += c;
    }
}

static inline void mg_mve_spread_value_s8(int8_t *to, int32_t step, int32_t value, int32_t c, int32_t n) {
    const int8x16_t v = vdupq_n_s8((int8_t)value);
    for (; n > 0; n--) {
        for (int32_t left = c; left > 0; left -= 16) {
            vstrbq_p_s8(to + c - left, v, vctp8q((uint32_t)left));
        }
        to += step;
    }
}

/* A window of up to four vectors against the weights in q4 to q7. */
#define MG_MVE_WINDOW_1(x, s) "vldrb.8 q0, [%[" x "]]\n\tvmladav.s8 %[" s "], q0, q4\n\t"
#define MG_MVE_WINDOW_2(x, s) MG_MVE_WINDOW_1(x, s) "vldrb.8 q1, [%[" x "], #16]\n\tvmladava.s8 %[" s "], q1, q5\n\t"
#define MG_MVE_WINDOW_3(x, s) MG_MVE_WINDOW_2(x, s) "vldrb.8 q0, [%[" x "], #32]\n\tvmladava.s8 %[" s "], q0, q6\n\t"
#define MG_MVE_WINDOW_4(x, s) MG_MVE_WINDOW_3(x, s) "vldrb.8 q1, [%[" x "], #48]\n\tvmladava.s8 %[" s "], q1, q7\n\t"
#define MG_MVE_WINDOWS(window)                                                                                         \
    __asm__(window("x0", "s0") window("x1", "s1") window("x2", "s2") window("x3", "s3")                                \
            "vmov q2[2], q2[0], %[s0], %[s2]\n\t"                                                                      \
            "vmov q2[3], q2[1], %[s1], %[s3]\n\t"                                                                      \
            : "=w"(sums), [s0] "=&Te"(s0), [s1] "=&Te"(s1), [s2] "=&Te"(s2), [s3] "=&Te"(s3)                           \
            : [x0] "r"(x[0]), [x1] "r"(x[1]), [x2] "r"(x[2]), [x3] "r"(x[3]), "w"(w[0]), "w"(w[1]), "w"(w[2]),          \
              "w"(w[3])                                                                                                \
            : "q0", "q1", "memory")

#define mg_mk_rows_s8_2    mg_mve_mk_rows_s8_2
#define mg_spread_s8       mg_mve_spread_s8
#define mg_spread_value_s8 mg_mve_spread_value_s8

#endif
#endif
