/* Verbs for cores with vectors of 128 bits, defined in plain C99; included after scalar.h, before the header of the
 * instruction set that replaces them.
 *
 * Sums are modulo 2^32.  Rows of weights are filled up with zeros to blocks of MG_LANES numbers; what a column holds
 * there does not matter, but it is read.
 */
#ifndef MG_SIMD_VECTOR128_H
#define MG_SIMD_VECTOR128_H

#define MG_LANES 16

/* What is known of the scaling of all channels of a layer, so that steps which would change nothing can be left out:
 * nothing; no shift is to the left; also, everything below the zero point is clamped, so ties of negative numbers are
 * free. */
#define MG_SCALING_ANY      0
#define MG_SCALING_RIGHT    1
#define MG_SCALING_POSITIVE 2

/* Rows of an int8 matrix and how their products become int8 outputs. */
typedef struct {
    const int8_t *weights;  /* [ceil(channels / 4)][blocks][4][MG_LANES]; zeros fill up rows and channels */
    const int32_t *scaling; /* [ceil(channels / 4)][3][4]: bias, multiplier, shift */
    int32_t blocks, channels;
    int32_t zero_point, low, high; /* of the output */
    int32_t known;                 /* MG_SCALING_... */
} mg_rows_s8;

/* One output: row c against the column x. */
static inline int8_t mg_row_output_s8(const mg_rows_s8 *r, int32_t c, const int8_t *x) {
    const int8_t *w = r->weights + ((c / 4) * r->blocks * 4 + c % 4) * MG_LANES;
    const int32_t *s = r->scaling + (c / 4) * 12 + c % 4;
    uint32_t sum = (uint32_t)s[0];
    for (int32_t k = 0; k < r->blocks * MG_LANES; k++) {
        sum += (uint32_t)((int32_t)w[(k / MG_LANES) * 4 * MG_LANES + k % MG_LANES] * (int32_t)x[k]);
    }
    return (int8_t)mg_clamp_s32(mg_add_s32(mg_requant_double((int32_t)sum, s[4], s[8]), r->zero_point), r->low,
                                r->high);
}

/* Micro-kernel: all channels of two pixels whose columns are x0 and x1 [blocks * MG_LANES].  Four channels of both are
 * written after both columns have been read for them. */
static inline void mg_mk_rows_s8_2(const mg_rows_s8 *r, const int8_t *x0, const int8_t *x1, int8_t *y0, int8_t *y1) {
    for (int32_t c = 0; c < r->channels; c += 4) {
        const int32_t n = mg_min_s32(4, r->channels - c);
        int8_t out0[4], out1[4];
        for (int32_t i = 0; i < n; i++) {
            out0[i] = mg_row_output_s8(r, c + i, x0);
            out1[i] = mg_row_output_s8(r, c + i, x1);
        }
        memcpy(y0 + c, out0, (size_t)n);
        memcpy(y1 + c, out1, (size_t)n);
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

/* Filters of a depthwise convolution: every output channel has its own row of `blocks` * MG_LANES weights. */
typedef struct {
    const int8_t *weights;  /* [out channels][blocks][MG_LANES] */
    const int32_t *scaling; /* [out channels][3]: bias, multiplier, shift */
    int32_t blocks;
    int32_t multiplier;            /* output channels per input channel */
    int32_t zero_point, low, high; /* of the output */
    int32_t known;                 /* MG_SCALING_... */
} mg_taps_s8;

/* Outputs in `runs` rows of n: their windows and their places in bytes from one to the next. */
typedef struct {
    int32_t runs, n;
    int32_t x_run, x_step;
    int32_t y_run, y_step;
} mg_runs;

/* Micro-kernel: `channels` channels of a depthwise convolution from input channel `first` on, each in a plane of its
 * own. Window i of run j is blocks * MG_LANES numbers at x + j * x_run + i * x_step; y is output channel 0. */
static inline void mg_mk_taps_s8(const mg_taps_s8 *t, int32_t first, int32_t channels, const mg_runs *m,
                                 const int8_t *x, int32_t plane, int8_t *y) {
    const int32_t length = t->blocks * MG_LANES;
    for (int32_t c = first * t->multiplier; c < (first + channels) * t->multiplier; c++) {
        const int8_t *w = t->weights + c * length;
        const int32_t *s = t->scaling + c * 3;
        const int8_t *own = x + (c / t->multiplier - first) * plane;
        for (int32_t j = 0; j < m->runs; j++) {
            for (int32_t i = 0; i < m->n; i++) {
                const int8_t *window = own + j * m->x_run + i * m->x_step;
                uint32_t sum = (uint32_t)s[0];
                int32_t acc;
                for (int32_t k = 0; k < length; k++) {
                    sum += (uint32_t)((int32_t)w[k] * (int32_t)window[k]);
                }
                acc = mg_add_s32(mg_requant_double((int32_t)sum, s[1], s[2]), t->zero_point);
                y[j * m->y_run + i * m->y_step + c] = (int8_t)mg_clamp_s32(acc, t->low, t->high);
            }
        }
    }
}

/* n pixels of in_c channels, of which `channels` go to planes of their own: channel c of pixel i to
 * to[c * plane + i * step]; plane is below 8192. */
static inline void mg_split_s8(int8_t *to, int32_t plane, int32_t step, const int8_t *from, int32_t in_c,
                               int32_t channels, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        for (int32_t c = 0; c < channels; c++) {
            to[c * plane + i * step] = from[i * in_c + c];
        }
    }
}

/* The same value for n pixels of `channels` planes. */
static inline void mg_split_value_s8(int8_t *to, int32_t plane, int32_t step, int32_t value, int32_t channels,
                                     int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        for (int32_t c = 0; c < channels; c++) {
            to[c * plane + i * step] = (int8_t)value;
        }
    }
}

/* Sum of two int8 tensors: the first has the larger scale. */
typedef struct {
    int32_t zero_point0, zero_point1;
    int32_t multiplier1, shift1; /* of the second, shift1 <= 0 */
    int32_t multiplier, shift;   /* of the sum, shift < 0 */
    int32_t zero_point, low, high;
    int32_t known; /* MG_SCALING_RIGHT or MG_SCALING_POSITIVE */
} mg_sum_s8;

/* n sums; y may be where x0 or x1 is.  A factor of 1/2 takes the first to the common scale, which is a shift by one
 * less than the 20 bits of headroom. */
static inline void mg_mk_sum_s8(const mg_sum_s8 *k, const int8_t *x0, const int8_t *x1, int8_t *y, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const int32_t a = mg_shl_s32(x0[i] - k->zero_point0, 19);
        const int32_t b = mg_requant_double(mg_shl_s32(x1[i] - k->zero_point1, 20), k->multiplier1, k->shift1);
        const int32_t sum = mg_requant_double(a + b, k->multiplier, k->shift) + k->zero_point;
        y[i] = (int8_t)mg_clamp_s32(sum, k->low, k->high);
    }
}

/* Rows of an int8 matrix whose products are rounded once. */
typedef struct {
    const int8_t *weights;  /* [ceil(channels / 4)][blocks][4][MG_LANES]; zeros fill up rows and channels */
    const int32_t *scaling; /* [ceil(channels / 4)][3][4]: offset, multiplier, shift to the right (negative) */
    int32_t blocks, channels;
    int32_t headroom;              /* shift of the sums to the left; it does not overflow */
    int32_t zero_point, low, high; /* of the output */
} mg_dense_s8;

/* Micro-kernel: all channels of one column x [blocks * MG_LANES].  The rounding of the high half and of the shift are
 * both to nearest with ties upwards; offset and multiplier are such that the result is the one that is wanted. */
static inline void mg_mk_dense_s8(const mg_dense_s8 *r, const int8_t *x, int8_t *y) {
    int8_t out[4]; /* written together */
    for (int32_t c = 0; c < r->channels; c++) {
        const int8_t *w = r->weights + ((c / 4) * r->blocks * 4 + c % 4) * MG_LANES;
        const int32_t *s = r->scaling + (c / 4) * 12 + c % 4;
        uint32_t sum = 0;
        int32_t high;
        for (int32_t k = 0; k < r->blocks * MG_LANES; k++) {
            sum += (uint32_t)((int32_t)w[(k / MG_LANES) * 4 * MG_LANES + k % MG_LANES] * (int32_t)x[k]);
        }
        high = mg_doubling_high_mul(mg_add_s32(mg_shl_s32((int32_t)sum, r->headroom), s[0]), s[4]);
        high = (int32_t)mg_asr_s64((int64_t)high + ((int64_t)1 << (-s[8] - 1)), -s[8]);
        out[c % 4] = (int8_t)mg_clamp_s32(high + r->zero_point, r->low, r->high);
        if (c % 4 == 3 || c == r->channels - 1) {
            memcpy(y + c / 4 * 4, out, (size_t)(c % 4) + 1u);
        }
    }
}

#endif
