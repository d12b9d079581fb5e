/* Verbs on rows of elements and on the windows of pools, defined in plain C99; included after scalar.h, before the
 * header of the instruction set that replaces them.
 *
 * Elements are read before a later one is written, so that a row may be written where it is read.
 */
#ifndef MG_SIMD_ROWS_H
#define MG_SIMD_ROWS_H

/* Pixels whose sum fits into 16 bits. */
#define MG_PIXELS_S16 256u

/* y[i] = x[i] / scale, rounded to nearest with halves away from zero, between low and high, plus the zero point; NaN
 * gives low. */
static inline void mg_quantize_row_s8(const float *x, int8_t *y, uint32_t n, float scale, int32_t zero_point,
                                      int32_t low, int32_t high) {
    for (uint32_t i = 0; i < n; i++) {
        y[i] = (int8_t)(mg_round_clamp_f32(x[i] / scale, low, high) + zero_point);
    }
}

/* y[i] = (x[i] - zero_point) * scale; y may begin 3 * (n - 1) bytes before x. */
static inline void mg_dequantize_row_s8(const int8_t *x, float *y, uint32_t n, float scale, int32_t zero_point) {
    for (uint32_t i = 0; i < n; i++) {
        y[i] = scale * (float)(x[i] - zero_point);
    }
}

/* Products of codes without their zero points, as int8. */
typedef struct {
    int32_t zero_point0, zero_point1;
    int32_t output_zero_point, multiplier, shift;
    int32_t low, high;
} mg_product;

/* n products; an input whose step is 0 is one element for all. */
static inline void mg_multiply_row_s8(const mg_product *k, const int8_t *x0, uint32_t step0, const int8_t *x1,
                                      uint32_t step1, int8_t *y, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const int32_t product = (*x0 - k->zero_point0) * (*x1 - k->zero_point1);
        const int32_t scaled = mg_add_s32(mg_requant_double(product, k->multiplier, k->shift), k->output_zero_point);
        *y++ = (int8_t)mg_clamp_s32(scaled, k->low, k->high);
        x0 += step0;
        x1 += step1;
    }
}

/* sums[c] += the sum of channel c over all pixels. */
static inline void mg_sum_pixels_s8(int32_t *sums, const int8_t *x, uint32_t pixels, uint32_t channels) {
    for (uint32_t i = 0; i < pixels; i++) {
        for (uint32_t c = 0; c < channels; c++) {
            sums[c] += x[c];
        }
        x += channels;
    }
}

/* The pixels of a window and how one output comes from them: rows of columns, `row` bytes from one to the next. */
typedef struct {
    int32_t rows, columns;
    int32_t row, channels;
    int32_t low, high;
} mg_pool;

/* The largest code of every channel. */
static inline void mg_largest_s8(const mg_pool *p, const int8_t *x, int8_t *y) {
    for (int32_t c = 0; c < p->channels; c++) {
        int32_t largest = INT8_MIN;
        for (int32_t fy = 0; fy < p->rows; fy++) {
            for (int32_t fx = 0; fx < p->columns; fx++) {
                largest = mg_max_s32(largest, x[fy * p->row + fx * p->channels + c]);
            }
        }
        y[c] = (int8_t)mg_clamp_s32(largest, p->low, p->high);
    }
}

/* The mean of every channel, rounded to nearest with halves away from zero; rows and columns are not 0. */
static inline void mg_average_s8(const mg_pool *p, const int8_t *x, int8_t *y) {
    const int32_t count = p->rows * p->columns;
    for (int32_t c = 0; c < p->channels; c++) {
        int32_t sum = 0;
        for (int32_t fy = 0; fy < p->rows; fy++) {
            for (int32_t fx = 0; fx < p->columns; fx++) {
                sum += x[fy * p->row + fx * p->channels + c];
            }
        }
        y[c] = (int8_t)mg_clamp_s32((sum > 0 ? sum + count / 2 : sum - count / 2) / count, p->low, p->high);
    }
}

#endif
