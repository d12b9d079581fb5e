/* Verbs on rows for the DSP extension of Armv7E-M and Armv8-M: four channels at a time; results are exactly those of
 * rows.h. */
#ifndef MG_SIMD_ARMV7EM_ROWS_H
#define MG_SIMD_ARMV7EM_ROWS_H

/* FPv5: every floating-point unit of Armv8-M, and those of Armv7E-M that compute doubles. */
#if defined(__ARM_FP) && ((__ARM_FP & 8) || __ARM_ARCH >= 8)

/* The larger of NaN and a number is the number. */
static inline int32_t mg_arm_round_clamp_f32(float x, int32_t low, int32_t high) {
    int32_t whole;
    __asm__("vmaxnm.f32 %0, %0, %1\n\tvminnm.f32 %0, %0, %2\n\tvcvta.s32.f32 %0, %0"
            : "+t"(x)
            : "t"((float)low), "t"((float)high));
    memcpy(&whole, &x, sizeof whole);
    return whole;
}

static inline void mg_arm_quantize_row_s8(const float *x, int8_t *y, uint32_t n, float scale, int32_t zero_point,
                                          int32_t low, int32_t high) {
    for (uint32_t i = 0; i < n; i++) {
        y[i] = (int8_t)(mg_arm_round_clamp_f32(x[i] / scale, low, high) + zero_point);
    }
}

#define mg_round_clamp_f32 mg_arm_round_clamp_f32
#define mg_quantize_row_s8 mg_arm_quantize_row_s8

#endif

#if defined(__ARM_FEATURE_SIMD32) && __ARM_FEATURE_SIMD32 && defined(MG_SIMD_ROWS_H)

static inline uint32_t mg_dsp_four(const int8_t *from) {
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* Sums of the bytes 0 and 2, and of 1 and 3, of words, two halves each. */
#define MG_DSP_ADD_BYTES(even, odd, word)                                                                              \
    __asm__("sxtab16 %0, %0, %2\n\tsxtab16 %1, %1, %2, ror #8" : "+r"(even), "+r"(odd) : "r"(word))

static inline int32_t mg_dsp_half(uint32_t halves, uint32_t upper) {
    return (int32_t)(int16_t)(uint16_t)(halves >> (16u * upper));
}

static inline void mg_dsp_sum_pixels_s8(int32_t *sums, const int8_t *x, uint32_t pixels, uint32_t channels) {
    const uint32_t fours = channels & ~3u;
    for (uint32_t left = pixels; left > 0u;) {
        const uint32_t n = left < MG_PIXELS_S16 ? left : MG_PIXELS_S16;
        for (uint32_t c = 0; c < fours; c += 4u) {
            uint32_t even = 0, odd = 0;
            const int8_t *from = x + c;
            for (uint32_t i = n; i > 0u; i--) {
                const uint32_t word = mg_dsp_four(from);
                MG_DSP_ADD_BYTES(even, odd, word);
                from += channels;
            }
            sums[c] += mg_dsp_half(even, 0u);
            sums[c + 1u] += mg_dsp_half(odd, 0u);
            sums[c + 2u] += mg_dsp_half(even, 1u);
            sums[c + 3u] += mg_dsp_half(odd, 1u);
        }
        for (uint32_t c = fours; c < channels; c++) {
            int32_t sum = 0;
            for (uint32_t i = 0; i < n; i++) {
                sum += x[i * channels + c];
            }
            sums[c] += sum;
        }
        x += n * channels;
        left -= n;
    }
}

/* The larger bytes: SSUB8 notes which differences are not negative. */
#define MG_DSP_LARGER(largest, word)                                                                                   \
    do {                                                                                                               \
        uint32_t difference;                                                                                           \
        __asm__("ssub8 %1, %0, %2\n\tsel %0, %0, %2" : "+r"(largest), "=&r"(difference) : "r"(word) : "cc");           \
    } while (0)

static inline void mg_dsp_largest_s8(const mg_pool *p, const int8_t *x, int8_t *y) {
    mg_pool rest = *p;
    for (; rest.channels >= 4; rest.channels -= 4) {
        const int8_t *from = x;
        uint32_t largest = 0x80808080u;
        for (int32_t fy = p->rows; fy > 0; fy--) {
            for (int32_t fx = p->columns; fx > 0; fx--) {
                const uint32_t word = mg_dsp_four(from);
                MG_DSP_LARGER(largest, word);
                from += p->channels;
            }
            from += p->row - p->columns * p->channels;
        }
        for (uint32_t i = 0; i < 4u; i++) {
            y[i] = (int8_t)mg_clamp_s32((int8_t)(uint8_t)(largest >> (8u * i)), p->low, p->high);
        }
        x += 4;
        y += 4;
    }
    for (; rest.channels > 0; rest.channels--) {
        int32_t largest = INT8_MIN;
        for (int32_t fy = 0; fy < p->rows; fy++) {
            for (int32_t fx = 0; fx < p->columns; fx++) {
                largest = mg_max_s32(largest, x[fy * p->row + fx * p->channels]);
            }
        }
        *y++ = (int8_t)mg_clamp_s32(largest, p->low, p->high);
        x++;
    }
}

static inline int8_t mg_dsp_mean(const mg_pool *p, int32_t sum, int32_t count) {
    return (int8_t)mg_clamp_s32((sum > 0 ? sum + count / 2 : sum - count / 2) / count, p->low, p->high);
}

static inline void mg_dsp_average_s8(const mg_pool *p, const int8_t *x, int8_t *y) {
    const int32_t count = p->rows * p->columns;
    const int32_t fours = count <= (int32_t)MG_PIXELS_S16 ? p->channels & ~3 : 0;
    for (int32_t c = 0; c < fours; c += 4) {
        const int8_t *from = x + c;
        uint32_t even = 0, odd = 0;
        for (int32_t fy = p->rows; fy > 0; fy--) {
            for (int32_t fx = p->columns; fx > 0; fx--) {
                const uint32_t word = mg_dsp_four(from);
                MG_DSP_ADD_BYTES(even, odd, word);
                from += p->channels;
            }
            from += p->row - p->columns * p->channels;
        }
        y[c] = mg_dsp_mean(p, mg_dsp_half(even, 0u), count);
        y[c + 1] = mg_dsp_mean(p, mg_dsp_half(odd, 0u), count);
        y[c + 2] = mg_dsp_mean(p, mg_dsp_half(even, 1u), count);
        y[c + 3] = mg_dsp_mean(p, mg_dsp_half(odd, 1u), count);
    }
    for (int32_t c = fours; c < p->channels; c++) {
        int32_t sum = 0;
        for (int32_t fy = 0; fy < p->rows; fy++) {
            for (int32_t fx = 0; fx < p->columns; fx++) {
                sum += x[fy * p->row + fx * p->channels + c];
            }
        }
        y[c] = mg_dsp_mean(p, sum, count);
    }
}

/* Products have 17 bits, so mg_requant_s8 scales them where the shift is to the right. */
static inline void mg_dsp_multiply_row_s8(const mg_product *k, const int8_t *x0, uint32_t step0, const int8_t *x1,
                                          uint32_t step1, int8_t *y, uint32_t n) {
    const int32_t n1 = -k->shift - 1, zp2 = 2 * k->output_zero_point + 1;
    if (n1 < 0) {
        mg_multiply_row_s8(k, x0, step0, x1, step1, y, n);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        const int32_t product = 2 * (*x0 - k->zero_point0) * (*x1 - k->zero_point1);
        int32_t scaled;
        __asm__("smmulr %0, %1, %2" : "=r"(scaled) : "r"(product), "r"(k->multiplier));
        scaled += mg_asr_s32(product, 31);
        scaled = mg_asr_s32(mg_asr_s32(scaled, n1) + zp2, 1);
        *y++ = (int8_t)mg_clamp_s32(scaled, k->low, k->high);
        x0 += step0;
        x1 += step1;
    }
}

#define mg_sum_pixels_s8   mg_dsp_sum_pixels_s8
#define mg_largest_s8      mg_dsp_largest_s8
#define mg_average_s8      mg_dsp_average_s8
#define mg_multiply_row_s8 mg_dsp_multiply_row_s8

#endif
#endif
