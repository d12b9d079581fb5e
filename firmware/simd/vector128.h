/* Verbs for cores with vectors of 128 bits, defined in plain C99; included after scalar.h, before the header of the
 * instruction set that replaces them.
 *
 * Sums are modulo 2^32.  Rows of weights are filled up with zeros to blocks of MG_LANES numbers; what a column holds
 * there does not matter, but it is read.
 */
#ifndef MG_SIMD_VECTOR128_H
#define MG_SIMD_VECTOR128_H

#define MG_LANES 16

/* What is known of the scaling of all channels of a layer, so that steps which would change nothing can be left out. */
#define MG_SCALING_ANY      0 /* nothing */
#define MG_SCALING_RIGHT    1 /* no shift is to the left */
#define MG_SCALING_POSITIVE 2 /* also, everything below the zero point is clamped: ties of negative numbers are free */

/* Rows of an int8 matrix and how their products become int8 outputs. */
typedef struct {
    const int8_t *weights;  /* [ceil(channels / 4)][blocks][4][MG_LANES]; zeros fill up rows and channels */
    const int32_t *scaling; /* [ceil(channels / 4)][3][4]: bias, multiplier, shift */
    int32_t blocks, channels;
    int32_t zero_point, low, high; /* of the output */
    int32_t known;                 /* MG_SCALING_... */
} mg_rows_s8;

/* Micro-kernel: all channels of two pixels whose columns are x0 and x1 [blocks * MG_LANES]. */
static inline void mg_mk_rows_s8_2(const mg_rows_s8 *r, const int8_t *x0, const int8_t *x1, int8_t *y0, int8_t *y1) {
    for (int32_t c = 0; c < r->channels; c++) {
        const int8_t *w = r->weights + ((c / 4) * r->blocks * 4 + c % 4) * MG_LANES;
        const int32_t *s = r->scaling + (c / 4) * 12 + c % 4;
        uint32_t sum0 = (uint32_t)s[0], sum1 = (uint32_t)s[0];
        for (int32_t k = 0; k < r->blocks * MG_LANES; k++) {
            const int32_t weight = w[(k / MG_LANES) * 4 * MG_LANES + k % MG_LANES];
            sum0 += (uint32_t)(weight * (int32_t)x0[k]);
            sum1 += (uint32_t)(weight * (int32_t)x1[k]);
        }
        y0[c] = (int8_t)mg_clamp_s32(mg_add_s32(mg_requant_double((int32_t)sum0, s[4], s[8]), r->zero_point), r->low, r->high);
        y1[c] = (int8_t)mg_clamp_s32(mg_add_s32(mg_requant_double((int32_t)sum1, s[4], s[8]), r->zero_point), r->low, r->high);
    }
}

/* n pixels of c bytes, one behind the other, to places that are `step` bytes apart. */
static inline void mg_spread_s8(int8_t *to, int32_t step, const int8_t *from, int32_t c, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        memcpy(to + i * step, from + i * c, (size_t)c);
    }
}

/* The same value to n places of c bytes that are `step` bytes apart. */
static inline void mg_spread_value_s8(int8_t *to, int32_t step, int32_t value, int32_t c, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        memset(to + i * step, value, (size_t)c);
    }
}

/* Filters of a depthwise convolution: every channel has its own row of `blocks` * MG_LANES weights. */
typedef struct {
    const int8_t *weights;  /* [channels][blocks][MG_LANES] */
    const int32_t *scaling; /* [channels][3]: bias, multiplier, shift */
    int32_t blocks;         /* 1 to 4 */
    int32_t zero_point, low, high;
    int32_t known; /* MG_SCALING_... */
} mg_taps_s8;

/* Outputs in `runs` rows of n: their windows and their places in bytes from one to the next. */
typedef struct {
    int32_t runs, n;
    int32_t x_run, x_step;
    int32_t y_run, y_step;
} mg_runs;

/* Micro-kernel: one channel of a depthwise convolution; window i of run j is blocks * MG_LANES numbers at
 * x + j * x_run + i * x_step. */
static inline void mg_mk_taps_s8(const mg_taps_s8 *t, int32_t channel, const mg_runs *m, const int8_t *x, int8_t *y) {
    const int32_t length = t->blocks * MG_LANES;
    const int8_t *w = t->weights + channel * length;
    const int32_t *s = t->scaling + channel * 3;
    for (int32_t j = 0; j < m->runs; j++) {
        for (int32_t i = 0; i < m->n; i++) {
            const int8_t *window = x + j * m->x_run + i * m->x_step;
            uint32_t sum = (uint32_t)s[0];
            for (int32_t k = 0; k < length; k++) {
                sum += (uint32_t)((int32_t)w[k] * (int32_t)window[k]);
            }
            y[j * m->y_run + i * m->y_step] = (int8_t)mg_clamp_s32(
                mg_add_s32(mg_requant_double((int32_t)sum, s[1], s[2]), t->zero_point), t->low, t->high);
        }
    }
}

/* n pixels of in_c channels, of which `channels` (at most 8) go to planes of their own: channel c of pixel i to
 * to[c * plane + i * step]; plane is below 8192. */
static inline void mg_split_s8(int8_t *to, int32_t plane, int32_t step, const int8_t *from, int32_t in_c,
                               int32_t channels, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        for (int32_t c = 0; c < channels; c++) {
            to[c * plane + i * step] = from[i * in_c + c];
        }
    }
}

#endif
