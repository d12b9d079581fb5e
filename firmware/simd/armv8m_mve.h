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
                                           "1:\n\t" MG_MVE_BLOCK_4X2(
                                               "vmladava.s8") "subs %[n], #1\n\t"
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

static inline void mg_mve_mk_rows_s8_2(const mg_rows_s8 *r, const int8_t *x0, const int8_t *x1, int8_t *y0,
                                       int8_t *y1) {
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

/* Four windows of any number of vectors, whose first numbers are at x[0] to x[3]. */
static inline int32x4_t mg_mve_windows(const int8_t *const x[4], const int8_t *w, int32_t blocks) {
    const int8_t *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    int32x4_t sums;
    __asm__("1:\n\t"
            "vldrb.8 q1, [%[w]], #16\n\t"
            "vldrb.8 q0, [%[x0]], #16\n\t"
            "vmladava.s8 %[s0], q0, q1\n\t"
            "vldrb.8 q0, [%[x1]], #16\n\t"
            "vmladava.s8 %[s1], q0, q1\n\t"
            "vldrb.8 q0, [%[x2]], #16\n\t"
            "vmladava.s8 %[s2], q0, q1\n\t"
            "vldrb.8 q0, [%[x3]], #16\n\t"
            "vmladava.s8 %[s3], q0, q1\n\t"
            "subs %[n], #1\n\t"
            "bne 1b\n\t"
            "vmov %q[sums][2], %q[sums][0], %[s0], %[s2]\n\t"
            "vmov %q[sums][3], %q[sums][1], %[s1], %[s3]\n\t"
            : [sums] "=&w"(sums), [s0] "+Te"(s0), [s1] "+Te"(s1), [s2] "+Te"(s2), [s3] "+Te"(s3), [x0] "+r"(x0),
              [x1] "+r"(x1), [x2] "+r"(x2), [x3] "+r"(x3), [w] "+r"(w), [n] "+r"(blocks)
            :
            : "q0", "q1", "cc", "memory");
    return sums;
}

/* The scaling of one channel, and how its outputs are clamped. */
typedef struct {
    int32_t bias;
    int32_t multiplier, zero_point; /* loaded together */
    int32_t left, right;            /* left >= 0, right <= 0 */
    int32_t away;                   /* ties of negative numbers matter */
    int32x4_t low, high;
    uint32x4_t places; /* of four outputs */
} mg_mve_channel;

static inline int32x4_t mg_mve_channel_outputs(const mg_mve_channel *k, int32x4_t sums) {
    int32x4_t y = vqrdmulhq_n_s32(vshlq_r_s32(vaddq_n_s32(sums, k->bias), k->left), k->multiplier);
    if (k->away) {
        y = vqaddq_s32(y, vshrq_n_s32(y, 31));
    }
    y = vaddq_n_s32(vrshlq_n_s32(y, k->right), k->zero_point);
    return vminq_s32(vmaxq_s32(y, k->low), k->high);
}

/* Any row. */
static inline void mg_mve_taps_row(const mg_mve_channel *k, const int8_t *w, int32_t blocks, const mg_runs *m,
                                   const int8_t *x, int8_t *y) {
    for (int32_t left = m->n; left > 0;) {
        const int8_t *windows[4];
        const int32_t n = mg_min_s32(left, 4);
        for (int32_t i = 0; i < 4; i++) {
            windows[i] = x + mg_min_s32(i, n - 1) * m->x_step;
        }
        vstrbq_scatter_offset_p_s32(y, k->places, mg_mve_channel_outputs(k, mg_mve_windows(windows, w, blocks)),
                                    vctp32q((uint32_t)n));
        x += n * m->x_step;
        y += n * m->y_step;
        left -= n;
    }
}

/* Loops over `count` times four windows: `windows` leaves their sums in s0 to s3, `ties` moves the ties; x_next is
 * added to x, and y_next to y, after each four.  lr counts.  Volatile, because nobody reads what the operands hold
 * behind the loop, and GCC then drops it with its stores. */
#define MG_MVE_FOURS(windows, bias, scale, ties, shift, clamp)                                                         \
    "dls lr, %[s0]\n"                                                                                                  \
    "1:\n\t" windows "vmov %q[v][2], %q[v][0], %[s0], %[s2]\n\t"                                                       \
    "vmov %q[v][3], %q[v][1], %[s1], %[s3]\n\t"                                                                        \
    "add %[x], %[x_next]\n\t" bias scale ties shift clamp "vstrb.32 %q[v], [%[y], %q[places]]\n\t"                     \
    "add %[y], %[y_next]\n\t"                                                                                          \
    "le lr, 1b\n\t"
#define MG_MVE_TIES "vshr.s32 q0, %q[v], #31\n\tvqadd.s32 %q[v], %q[v], q0\n\t"

/* Windows of one vector; `next` goes from one to the next. */
#define MG_MVE_WINDOWS_1(next)                                                                                         \
    "vldrb.8 q0, [%[x]]" next "vldrb.8 q1, [%[x]]" next "vmladav.s8 %[s0], q0, %q[w]\n\t"                              \
    "vldrb.8 q0, [%[x]]" next "vmladav.s8 %[s1], q1, %q[w]\n\t"                                                        \
    "vldrb.8 q1, [%[x]]" next "vmladav.s8 %[s2], q0, %q[w]\n\t"                                                        \
    "vmladav.s8 %[s3], q1, %q[w]\n\t"
/* The factors stay in registers where the compiler finds that many; GCC has one less to give. */
#if defined(__clang__)
#define MG_MVE_FACTORS    ""
#define MG_MVE_MULTIPLIER "%[multiplier]"
#define MG_MVE_ZERO_POINT "%[zero_point]"
#define MG_MVE_FACTORS_IN [multiplier] "r"(k->multiplier), [zero_point] "r"(k->zero_point)
#else
#define MG_MVE_FACTORS    "ldrd %[s0], %[s1], [%[factors]]\n\t"
#define MG_MVE_MULTIPLIER "%[s0]"
#define MG_MVE_ZERO_POINT "%[s1]"
#define MG_MVE_FACTORS_IN [factors] "r"(&k->multiplier)
#endif
#define MG_MVE_FOURS_1(next, ties)                                                                                     \
    __asm__ volatile(                                                                                                  \
        MG_MVE_FOURS(MG_MVE_WINDOWS_1(next), "vadd.i32 %q[v], %q[v], %q[bias]\n\t",                                    \
                     MG_MVE_FACTORS "vqrdmulh.s32 %q[v], %q[v], " MG_MVE_MULTIPLIER "\n\t", ties,                      \
                     "vrshl.s32 %q[v], %[right]\n\t",                                                                  \
                     "vadd.i32 %q[v], %q[v], " MG_MVE_ZERO_POINT "\n\t"                                                \
                     "vmax.s32 %q[v], %q[v], %q[low]\n\t"                                                              \
                     "vmin.s32 %q[v], %q[v], %q[high]\n\t")                                                            \
        : [x] "+r"(x), [y] "+r"(y), [s0] "+Te"(count), [s1] "=&Te"(s1), [s2] "=&Te"(s2), [s3] "=&Te"(s3), [v] "=&w"(v) \
        : [step] "r"(x_step), [x_next] "r"(x_next), [y_next] "r"(y_next), MG_MVE_FACTORS_IN, [right] "r"(k->right),    \
          [w] "w"(weights), [bias] "w"(bias), [low] "w"(k->low), [high] "w"(k->high), [places] "w"(k->places)          \
        : "q0", "q1", "lr", "memory")
#define MG_MVE_ANY_STEP "\n\tadd %[x], %[step]\n\t"

static inline void mg_mve_taps_fours_1(const mg_mve_channel *k, const int8_t *w, int32_t count, const int8_t *x,
                                       int32_t x_step, int32_t x_next, int8_t *y, int32_t y_next) {
    const int8x16_t weights = vldrbq_s8(w);
    const int32x4_t bias = vdupq_n_s32(k->bias);
    int32_t s1, s2, s3;
    int32x4_t v;
    if (k->away) {
        MG_MVE_FOURS_1(MG_MVE_ANY_STEP, MG_MVE_TIES);
    } else {
        MG_MVE_FOURS_1(MG_MVE_ANY_STEP, "");
    }
}

/* All channels where runs have four outputs and windows one vector, and nothing is shifted to the left. */
static inline void mg_mve_taps_columns(const mg_taps_s8 *t, int32_t first, int32_t channels, const mg_runs *m,
                                       const int8_t *planes, int32_t plane, int8_t *out, int32_t down,
                                       int32_t positive) {
    const int8_t *from = t->weights + first * t->multiplier * MG_LANES;
    const int32_t *s = t->scaling + first * t->multiplier * 3;
    const int32_t x_step = m->x_step, x_next = m->x_run - 4 * x_step, y_next = m->y_run, runs = m->runs;
    const int32_t filters = t->multiplier;
    mg_mve_channel constants, *const k = &constants;
    k->zero_point = t->zero_point;
    k->low = vdupq_n_s32(t->low);
    k->high = vdupq_n_s32(t->high);
    k->places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)m->y_step);
    out += first * filters;
    for (; channels > 0; channels--) {
        for (int32_t i = 0; i < filters; i++) {
            const int8x16_t weights = vldrbq_s8(from);
            const int32x4_t bias = vdupq_n_s32(s[0]);
            const int8_t *x = planes;
            int8_t *y = out;
            int32_t count = runs, s1, s2, s3;
            int32x4_t v;
            k->multiplier = s[1];
            k->right = s[2];
            if (!positive && k->right < 0) {
                MG_MVE_FOURS_1(MG_MVE_ANY_STEP, MG_MVE_TIES);
            } else if (down) {
                MG_MVE_FOURS_1(", #1\n\t", "");
            } else {
                MG_MVE_FOURS_1(MG_MVE_ANY_STEP, "");
            }
            from += MG_LANES;
            s += 3;
            out++;
        }
        planes += plane;
    }
}

/* Windows of two to four vectors: the scaling comes from memory once the sums have left their registers. */
#define MG_MVE_WINDOW_2(s)                                                                                             \
    "vldrb.8 q0, [%[x]]\n\tvldrb.8 q1, [%[x], #16]\n\tvmladav.s8 %[" s "], q0, %q[w0]\n\t"                             \
    "add %[x], %[step]\n\tvmladava.s8 %[" s "], q1, %q[w1]\n\t"
#define MG_MVE_WINDOW_3(s)                                                                                             \
    "vldrb.8 q0, [%[x]]\n\tvldrb.8 q1, [%[x], #16]\n\tvmladav.s8 %[" s "], q0, %q[w0]\n\t"                             \
    "vldrb.8 q0, [%[x], #32]\n\tvmladava.s8 %[" s "], q1, %q[w1]\n\t"                                                  \
    "add %[x], %[step]\n\tvmladava.s8 %[" s "], q0, %q[w2]\n\t"
#define MG_MVE_WINDOW_4(s)                                                                                             \
    "vldrb.8 q0, [%[x]]\n\tvldrb.8 q1, [%[x], #16]\n\tvmladav.s8 %[" s "], q0, %q[w0]\n\t"                             \
    "vldrb.8 q0, [%[x], #32]\n\tvmladava.s8 %[" s "], q1, %q[w1]\n\t"                                                  \
    "vldrb.8 q1, [%[x], #48]\n\tvmladava.s8 %[" s "], q0, %q[w2]\n\t"                                                  \
    "add %[x], %[step]\n\tvmladava.s8 %[" s "], q1, %q[w3]\n\t"
#define MG_MVE_FOURS_N(window, ties)                                                                                   \
    __asm__ volatile(                                                                                                  \
        MG_MVE_FOURS(window("s0") window("s1") window("s2") window("s3"),                                              \
                     "ldrd %[s0], %[s1], [%[k]]\n\t"                                                                   \
                     "ldrd %[s2], %[s3], [%[k], #8]\n\t"                                                               \
                     "vadd.i32 %q[v], %q[v], %[s0]\n\t",                                                               \
                     "vqrdmulh.s32 %q[v], %q[v], %[s1]\n\t", ties, "vrshl.s32 %q[v], %[s2]\n\t",                       \
                     "vldrw.u32 q0, [%[k], #16]\n\t"                                                                   \
                     "vadd.i32 %q[v], %q[v], %[s3]\n\t"                                                                \
                     "vldrw.u32 q1, [%[k], #32]\n\t"                                                                   \
                     "vmax.s32 %q[v], %q[v], q0\n\t"                                                                   \
                     "vmin.s32 %q[v], %q[v], q1\n\t")                                                                  \
        : [x] "+r"(x), [y] "+r"(y), [s0] "+Te"(count), [s1] "=&Te"(s1), [s2] "=&Te"(s2), [s3] "=&Te"(s3), [v] "=&w"(v) \
        : [step] "r"(x_step), [x_next] "r"(x_next), [y_next] "r"(y_next), [k] "r"(constants), [w0] "w"(w0),            \
          [w1] "w"(w1), [w2] "w"(w2), [w3] "w"(w3), [places] "w"(k->places)                                            \
        : "q0", "q1", "lr", "memory")

static inline void mg_mve_taps_fours_n(const mg_mve_channel *k, const int8_t *w, int32_t blocks, int32_t count,
                                       const int8_t *x, int32_t x_step, int32_t x_next, int8_t *y, int32_t y_next) {
    const int8x16_t w0 = vldrbq_s8(w), w1 = vldrbq_s8(w + 16);
    int8x16_t w2 = w1, w3 = w1;
    int32_t constants[12];
    int32_t s1, s2, s3;
    int32x4_t v;
    constants[0] = k->bias;
    constants[1] = k->multiplier;
    constants[2] = k->right;
    constants[3] = k->zero_point;
    vstrwq_s32(constants + 4, k->low);
    vstrwq_s32(constants + 8, k->high);
    if (blocks == 2) {
        if (k->away) {
            MG_MVE_FOURS_N(MG_MVE_WINDOW_2, MG_MVE_TIES);
        } else {
            MG_MVE_FOURS_N(MG_MVE_WINDOW_2, "");
        }
        return;
    }
    w2 = vldrbq_s8(w + 32);
    if (blocks == 3) {
        if (k->away) {
            MG_MVE_FOURS_N(MG_MVE_WINDOW_3, MG_MVE_TIES);
        } else {
            MG_MVE_FOURS_N(MG_MVE_WINDOW_3, "");
        }
        return;
    }
    w3 = vldrbq_s8(w + 48);
    if (k->away) {
        MG_MVE_FOURS_N(MG_MVE_WINDOW_4, MG_MVE_TIES);
    } else {
        MG_MVE_FOURS_N(MG_MVE_WINDOW_4, "");
    }
}

/* All outputs of a channel.  What is left over of the runs is computed with some of the others once more. */
static inline void mg_mve_taps_channel(const mg_mve_channel *k, const int8_t *w, int32_t blocks, const mg_runs *m,
                                       const int8_t *x, int8_t *y) {
    int32_t passes = m->runs, count = m->n / 4, x_next = 0, y_next = 4 * m->y_step;
    if (blocks > 4 || k->left != 0 || m->n < 4) {
        for (int32_t j = 0; j < m->runs; j++) {
            mg_mve_taps_row(k, w, blocks, m, x + j * m->x_run, y + j * m->y_run);
        }
        return;
    }
    if (m->n == 4) {
        passes = 0;
    }
    for (int32_t j = 0; j <= passes; j++) {
        if (j == passes) { /* the last four of every run */
            if (m->n % 4 == 0 && passes > 0) {
                break;
            }
            x += (m->n - 4) * m->x_step - j * m->x_run;
            y += (m->n - 4) * m->y_step - j * m->y_run;
            count = m->runs;
            x_next = m->x_run - 4 * m->x_step;
            y_next = m->y_run;
        }
        if (blocks == 1) {
            mg_mve_taps_fours_1(k, w, count, x, m->x_step, x_next, y, y_next);
        } else {
            mg_mve_taps_fours_n(k, w, blocks, count, x, m->x_step, x_next, y, y_next);
        }
        x += m->x_run;
        y += m->y_run;
    }
}

static inline void mg_mve_mk_taps_s8(const mg_taps_s8 *t, int32_t first, int32_t channels, const mg_runs *m,
                                     const int8_t *x, int32_t plane, int8_t *y) {
    const int8_t *w = t->weights + first * t->multiplier * t->blocks * MG_LANES;
    const int32_t *s = t->scaling + first * t->multiplier * 3;
    mg_mve_channel k;
    if (t->blocks == 1 && m->n == 4 && t->known != MG_SCALING_ANY) {
        if (t->known != MG_SCALING_POSITIVE) {
            mg_mve_taps_columns(t, first, channels, m, x, plane, y, 0, 0);
        } else if (m->x_step == 1) {
            mg_mve_taps_columns(t, first, channels, m, x, plane, y, 1, 1);
        } else {
            mg_mve_taps_columns(t, first, channels, m, x, plane, y, 0, 1);
        }
        return;
    }
    k.zero_point = t->zero_point;
    k.low = vdupq_n_s32(t->low);
    k.high = vdupq_n_s32(t->high);
    k.places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)m->y_step);
    y += first * t->multiplier;
    for (int32_t c = 0; c < channels; c++) {
        for (int32_t i = 0; i < t->multiplier; i++) {
            k.bias = s[0];
            k.multiplier = s[1];
            k.left = mg_max_s32(s[2], 0);
            k.right = mg_min_s32(s[2], 0);
            k.away = t->known != MG_SCALING_POSITIVE && s[2] < 0;
            mg_mve_taps_channel(&k, w, t->blocks, m, x, y);
            w += t->blocks * MG_LANES;
            s += 3;
            y++;
        }
        x += plane;
    }
}

/* Eight channels of a pixel are widened to lanes of 16 bits, whose low bytes are scattered; four pixels at a time. */
static inline void mg_mve_split_s8(int8_t *to, int32_t plane, int32_t step, const int8_t *from, int32_t in_c,
                                   int32_t channels, int32_t n) {
    const uint16x8_t at0 = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)plane);
    const uint16x8_t at1 = vaddq_n_u16(at0, (uint16_t)step);
    const uint16x8_t at2 = vaddq_n_u16(at1, (uint16_t)step);
    const uint16x8_t at3 = vaddq_n_u16(at2, (uint16_t)step);
    for (; channels > 0; channels -= 8) {
        uint8_t *t = (uint8_t *)to;
        const uint8_t *f = (const uint8_t *)from;
        int32_t left = n;
        if (channels >= 8) {
            for (; left >= 4; left -= 4) {
                const uint16x8_t v0 = vldrbq_u16(f), v1 = vldrbq_u16(f + in_c);
                const uint16x8_t v2 = vldrbq_u16(f + 2 * in_c), v3 = vldrbq_u16(f + 3 * in_c);
                vstrbq_scatter_offset_u16(t, at0, v0);
                vstrbq_scatter_offset_u16(t, at1, v1);
                vstrbq_scatter_offset_u16(t, at2, v2);
                vstrbq_scatter_offset_u16(t, at3, v3);
                f += 4 * in_c;
                t += 4 * step;
            }
        }
        for (; left > 0; left--) {
            const mve_pred16_t p = vctp16q((uint32_t)channels);
            vstrbq_scatter_offset_p_u16(t, at0, vldrbq_z_u16(f, p), p);
            f += in_c;
            t += step;
        }
        to += 8 * plane;
        from += 8;
    }
}

static inline void mg_mve_split_value_s8(int8_t *to, int32_t plane, int32_t step, int32_t value, int32_t channels,
                                         int32_t n) {
    const uint16x8_t at = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)plane);
    const uint16x8_t v = vdupq_n_u16((uint16_t)value);
    for (; channels > 0; channels -= 8) {
        const mve_pred16_t p = vctp16q((uint32_t)channels);
        uint8_t *t = (uint8_t *)to;
        for (int32_t left = n; left > 0; left--) {
            vstrbq_scatter_offset_p_u16(t, at, v, p);
            t += step;
        }
        to += 8 * plane;
    }
}

/* A shift to the right by -n < 0 bits, ties away from zero: see mg_mve_requant. */
static inline int32x4_t mg_mve_shift_away(int32x4_t y, int32_t n) {
    return vrshlq_n_s32(vqaddq_s32(y, vshrq_n_s32(y, 31)), n);
}

/* Eight sums, in the even and the odd lanes; differences of codes have 9 bits and are shifted by 4 in 16 bits. */
static inline int16x8_t mg_mve_sums(const mg_sum_s8 *k, int16x8_t x0, int16x8_t x1, int32_t apart, int32_t away) {
    const int16x8_t d0 = vsubq_n_s16(vshlq_n_s16(x0, 4), (int16_t)(16 * k->zero_point0));
    const int16x8_t d1 = vsubq_n_s16(vshlq_n_s16(x1, 4), (int16_t)(16 * k->zero_point1));
    int32x4_t even, odd;
    if (apart) {
        even = mg_mve_shift_away(vqrdmulhq_n_s32(vshllbq_n_s16(d1, 16), k->multiplier1), k->shift1);
        odd = mg_mve_shift_away(vqrdmulhq_n_s32(vshlltq_n_s16(d1, 16), k->multiplier1), k->shift1);
        even = vaddq_s32(vshllbq_n_s16(d0, 15), even);
        odd = vaddq_s32(vshlltq_n_s16(d0, 15), odd);
    } else { /* both factors are 1/2 */
        const int16x8_t d = vaddq_s16(d0, d1);
        even = vshllbq_n_s16(d, 15);
        odd = vshlltq_n_s16(d, 15);
    }
    even = vqrdmulhq_n_s32(even, k->multiplier);
    odd = vqrdmulhq_n_s32(odd, k->multiplier);
    even = away ? mg_mve_shift_away(even, k->shift) : vrshlq_n_s32(even, k->shift);
    odd = away ? mg_mve_shift_away(odd, k->shift) : vrshlq_n_s32(odd, k->shift);
    return vqaddq_n_s16(vqmovntq_s32(vqmovnbq_s32(vuninitializedq_s16(), even), odd), (int16_t)k->zero_point);
}

static inline void mg_mve_add(const mg_sum_s8 *k, const int8_t *x0, const int8_t *x1, int8_t *y, uint32_t n,
                              int32_t apart, int32_t away) {
    const int16x8_t low = vdupq_n_s16((int16_t)k->low), high = vdupq_n_s16((int16_t)k->high);
    for (; n >= 8u; n -= 8u) {
        const int16x8_t sum = mg_mve_sums(k, vldrbq_s16(x0), vldrbq_s16(x1), apart, away);
        vstrbq_s16(y, vminq_s16(vmaxq_s16(sum, low), high));
        x0 += 8;
        x1 += 8;
        y += 8;
    }
    if (n > 0u) {
        const mve_pred16_t p = vctp16q(n);
        const int16x8_t sum = mg_mve_sums(k, vldrbq_z_s16(x0, p), vldrbq_z_s16(x1, p), apart, away);
        vstrbq_p_s16(y, vminq_s16(vmaxq_s16(sum, low), high), p);
    }
}

static inline void mg_mve_mk_sum_s8(const mg_sum_s8 *k, const int8_t *x0, const int8_t *x1, int8_t *y, uint32_t n) {
    const int32_t apart = k->shift1 < 0 || k->multiplier1 != 1 << 30;
    if (apart && k->known == MG_SCALING_POSITIVE) {
        mg_mve_add(k, x0, x1, y, n, 1, 0);
    } else if (apart) {
        mg_mve_add(k, x0, x1, y, n, 1, 1);
    } else {
        mg_mve_add(k, x0, x1, y, n, 0, 1);
    }
}

/* A block of 4 channels by 1 column. */
#define MG_MVE_BLOCK_4X1(mla)                                                                                          \
    "vldrb.8 q2, [%[x]], #16\n\t"                                                                                      \
    "vldrb.8 q0, [%[w]], #64\n\t"                                                                                      \
    "vldrb.8 q1, [%[w], #-48]\n\t" mla " %[s0], q0, q2\n\t"                                                            \
    "vldrb.8 q0, [%[w], #-32]\n\t" mla " %[s1], q1, q2\n\t"                                                            \
    "vldrb.8 q1, [%[w], #-16]\n\t" mla " %[s2], q0, q2\n\t" mla " %[s3], q1, q2\n\t"

static inline const int8_t *mg_mve_dot_4x1(const int8_t *w, const int8_t *x, int32_t blocks, int32x4_t *sums) {
    const int32_t pairs = blocks / 2;
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    int32x4_t v;
    if (blocks % 2 != 0) {
        __asm__(MG_MVE_BLOCK_4X1("vmladav.s8")
                : [x] "+r"(x), [w] "+r"(w), [s0] "=&Te"(s0), [s1] "=&Te"(s1), [s2] "=&Te"(s2), [s3] "=&Te"(s3)
                :
                : "q0", "q1", "q2", "memory");
    }
    __asm__("wls lr, %[n], 2f\n"
            "1:\n\t" MG_MVE_BLOCK_4X1("vmladava.s8")
                MG_MVE_BLOCK_4X1("vmladava.s8") "le lr, 1b\n"
                                                "2:\n\t"
                                                "vmov %q[v][2], %q[v][0], %[s0], %[s2]\n\t"
                                                "vmov %q[v][3], %q[v][1], %[s1], %[s3]\n\t"
            : [x] "+r"(x), [w] "+r"(w), [s0] "+Te"(s0), [s1] "+Te"(s1), [s2] "+Te"(s2), [s3] "+Te"(s3), [v] "=&w"(v)
            : [n] "r"(pairs)
            : "q0", "q1", "q2", "lr", "memory");
    *sums = v;
    return w;
}

static inline void mg_mve_mk_dense_s8(const mg_dense_s8 *r, const int8_t *x, int8_t *y) {
    const int8_t *w = r->weights;
    const int32_t *s = r->scaling;
    const int32x4_t low = vdupq_n_s32(r->low), high = vdupq_n_s32(r->high);
    for (int32_t left = r->channels; left > 0; left -= 4) {
        int32x4_t v;
        w = mg_mve_dot_4x1(w, x, r->blocks, &v);
        v = vqrdmulhq_s32(vaddq_s32(vshlq_r_s32(v, r->headroom), vldrwq_s32(s)), vldrwq_s32(s + 4));
        v = vaddq_n_s32(vrshlq_s32(v, vldrwq_s32(s + 8)), r->zero_point);
        v = vminq_s32(vmaxq_s32(v, low), high);
        s += 12;
        if (left >= 4) {
            vstrbq_s32(y, v);
        } else {
            vstrbq_p_s32(y, v, vctp32q((uint32_t)left));
        }
        y += 4;
    }
}

#define mg_mk_sum_s8       mg_mve_mk_sum_s8
#define mg_mk_dense_s8     mg_mve_mk_dense_s8
#define mg_split_value_s8  mg_mve_split_value_s8
#define mg_mk_taps_s8      mg_mve_mk_taps_s8
#define mg_split_s8        mg_mve_split_s8
#define mg_mk_rows_s8_2    mg_mve_mk_rows_s8_2
#define mg_spread_s8       mg_mve_spread_s8
#define mg_spread_value_s8 mg_mve_spread_value_s8

#endif
#endif
