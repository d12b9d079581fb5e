/* Verbs for cores with long vectors, defined in plain C99: channels lie along the lanes, every number of a window is
 * multiplied with one row of weights [channels].  Included after scalar.h, before the header of the instruction set
 * that replaces them.
 *
 * Sums are modulo 2^32.  Weights are above -128, so that two products fit into 16 bits.
 */
#ifndef MG_SIMD_LANES_H
#define MG_SIMD_LANES_H

/* Channels that are computed before any of them is stored: those of a vector of 128 bits, eight registers long. */
#define MG_CHANNEL_LANES 32

/* How sums become int8 outputs: mg_requant_double(sum, multiplier[c], -shift[c]) + zero_point between low and high;
 * 0 < shift, |sum| < 2^30. */
typedef struct {
    const int32_t *multiplier;
    const uint16_t *shift;
    int32_t zero_point, low, high;
} mg_lanes_scaling;

static inline int8_t mg_lanes_output(const mg_lanes_scaling *s, int32_t c, uint32_t sum) {
    const int32_t scaled = mg_requant_double((int32_t)sum, s->multiplier[c], -(int32_t)s->shift[c]);
    return (int8_t)mg_clamp_s32(mg_add_s32(scaled, s->zero_point), s->low, s->high);
}

/* Two windows of `rows` times `run` numbers, times the filters w [rows * run][channels].  `skip` bytes lie between the
 * end of a row and the next one. */
static inline void mg_lanes_product_s8(const int8_t *x0, int32_t skip0, const int8_t *x1, int32_t skip1, int32_t rows,
                                       int32_t run, const int8_t *w, const int32_t *bias, int32_t channels,
                                       const mg_lanes_scaling *s, int8_t *y0, int8_t *y1) {
    for (int32_t first = 0; first < channels; first += MG_CHANNEL_LANES) {
        const int32_t n = mg_min_s32(channels - first, MG_CHANNEL_LANES);
        uint32_t sum0[MG_CHANNEL_LANES], sum1[MG_CHANNEL_LANES];
        for (int32_t c = 0; c < n; c++) {
            const int8_t *a = x0, *b = x1, *from = w + first + c;
            sum0[c] = sum1[c] = (uint32_t)bias[first + c];
            for (int32_t row = 0; row < rows; row++) {
                for (int32_t k = 0; k < run; k++) {
                    sum0[c] += (uint32_t)(*a++ * *from);
                    sum1[c] += (uint32_t)(*b++ * *from);
                    from += channels;
                }
                a += skip0;
                b += skip1;
            }
        }
        for (int32_t c = 0; c < n; c++) {
            y0[first + c] = mg_lanes_output(s, first + c, sum0[c]);
            y1[first + c] = mg_lanes_output(s, first + c, sum1[c]);
        }
    }
}

/* Depthwise: rows x columns taps of two windows whose columns are `step` bytes apart; from the end of a row to the next
 * it is `skip` more in the input.  w [rows][columns][channels]. */
static inline void mg_lanes_taps_s8(const int8_t *x0, const int8_t *x1, int32_t step, int32_t skip, int32_t rows,
                                    int32_t columns, const int8_t *w, const int32_t *bias, int32_t channels,
                                    const mg_lanes_scaling *s, int8_t *y0, int8_t *y1) {
    for (int32_t first = 0; first < channels; first += MG_CHANNEL_LANES) {
        const int32_t n = mg_min_s32(channels - first, MG_CHANNEL_LANES);
        uint32_t sum0[MG_CHANNEL_LANES], sum1[MG_CHANNEL_LANES];
        for (int32_t c = 0; c < n; c++) {
            const int8_t *a = x0 + first + c, *b = x1 + first + c, *from = w + first + c;
            sum0[c] = sum1[c] = (uint32_t)bias[first + c];
            for (int32_t row = 0; row < rows; row++) {
                for (int32_t column = 0; column < columns; column++) {
                    sum0[c] += (uint32_t)(*a * *from);
                    sum1[c] += (uint32_t)(*b * *from);
                    a += step;
                    b += step;
                    from += channels;
                }
                a += skip;
                b += skip;
            }
        }
        for (int32_t c = 0; c < n; c++) {
            y0[first + c] = mg_lanes_output(s, first + c, sum0[c]);
            y1[first + c] = mg_lanes_output(s, first + c, sum1[c]);
        }
    }
}

/* Depthwise at the border: one window, rows x columns taps of it, with the zero point of the input taken off; `w_skip`
 * weights lie between the end of a row of taps and the next one. */
static inline void mg_lanes_edge_s8(const int8_t *x, int32_t step, int32_t skip, int32_t rows, int32_t columns,
                                    int32_t input_zero_point, const int8_t *w, int32_t w_skip, const int32_t *bias,
                                    int32_t channels, const mg_lanes_scaling *s, int8_t *y) {
    for (int32_t first = 0; first < channels; first += MG_CHANNEL_LANES) {
        const int32_t n = mg_min_s32(channels - first, MG_CHANNEL_LANES);
        uint32_t sum[MG_CHANNEL_LANES];
        for (int32_t c = 0; c < n; c++) {
            const int8_t *a = x + first + c, *from = w + first + c;
            sum[c] = (uint32_t)bias[first + c];
            for (int32_t row = 0; row < rows; row++) {
                for (int32_t column = 0; column < columns; column++) {
                    sum[c] += (uint32_t)((*a - input_zero_point) * *from);
                    a += step;
                    from += channels;
                }
                a += skip;
                from += w_skip;
            }
        }
        for (int32_t c = 0; c < n; c++) {
            y[first + c] = mg_lanes_output(s, first + c, sum[c]);
        }
    }
}

/* Fully connected: x [depth] times w [depth][channels]; outputs as mg_requant_away(sum, low_half[c], high_half[c],
 * 32 + shift[c]) + zero_point between low and high, 0 < shift. */
typedef struct {
    const uint32_t *low_half, *high_half, *shift;
    int32_t zero_point, low, high;
} mg_lanes_away;

static inline void mg_lanes_vector_s8(const int8_t *x, int32_t depth, const int8_t *w, const int32_t *bias,
                                      int32_t channels, const mg_lanes_away *s, int8_t *y) {
    for (int32_t first = 0; first < channels; first += MG_CHANNEL_LANES) {
        const int32_t n = mg_min_s32(channels - first, MG_CHANNEL_LANES);
        int8_t out[MG_CHANNEL_LANES];
        for (int32_t i = 0; i < n; i++) {
            const int32_t c = first + i;
            uint32_t sum = (uint32_t)bias[c];
            int32_t scaled;
            for (int32_t k = 0; k < depth; k++) {
                sum += (uint32_t)(x[k] * w[k * channels + c]);
            }
            scaled = mg_requant_away((int32_t)sum, s->low_half[c], s->high_half[c], (int32_t)(32u + s->shift[c]));
            out[i] = (int8_t)mg_clamp_s32(mg_add_s32(scaled, s->zero_point), s->low, s->high);
        }
        memcpy(y + first, out, (size_t)n);
    }
}

/* Sums of n pairs of int8, each brought to a common scale: a = mg_requant_double((x0 - zero_point0) << left_shift,
 * multiplier0, -shift0), b alike; mg_requant_double(a + sign * b, multiplier, -shift) + output_zero_point between low
 * and high; no shift is negative. */
typedef struct {
    int32_t sign, left_shift;
    int32_t zero_point0, multiplier0, shift0;
    int32_t zero_point1, multiplier1, shift1;
    int32_t output_zero_point, multiplier, shift;
    int32_t low, high;
} mg_lanes_sum;

static inline void mg_lanes_add_s8(const mg_lanes_sum *s, const int8_t *x0, const int8_t *x1, int8_t *y, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const int32_t a =
            mg_requant_double(mg_shl_s32(x0[i] - s->zero_point0, s->left_shift), s->multiplier0, -s->shift0);
        const int32_t b =
            mg_requant_double(mg_shl_s32(x1[i] - s->zero_point1, s->left_shift), s->multiplier1, -s->shift1);
        const int32_t sum = mg_requant_double(a + s->sign * b, s->multiplier, -s->shift) + s->output_zero_point;
        y[i] = (int8_t)mg_clamp_s32(sum, s->low, s->high);
    }
}

/* y[i] = table[x[i]] */
static inline void mg_lanes_lookup(const uint8_t *table, const uint8_t *x, uint8_t *y, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        y[i] = table[x[i]];
    }
}

#endif
