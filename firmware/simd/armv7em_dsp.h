/* Verbs for the DSP extension of Armv7E-M and Armv8-M (Cortex-M4, M7, M33, M55): two 16-bit multiplications per
 * instruction.
 *
 * A verb is replaced by a macro of its name; its result is exactly that of scalar.h.
 */
#ifndef MG_SIMD_ARMV7EM_DSP_H
#define MG_SIMD_ARMV7EM_DSP_H

#if defined(__ARM_FEATURE_SIMD32) && __ARM_FEATURE_SIMD32

/* Bytes 0 and 2 of x, sign extended to two halves. */
static inline uint32_t mg_dsp_sxtb16(uint32_t x) {
    uint32_t halves;
    __asm__("sxtb16 %0, %1" : "=r"(halves) : "r"(x));
    return halves;
}

/* Bytes 1 and 3. */
static inline uint32_t mg_dsp_sxtb16_ror8(uint32_t x) {
    uint32_t halves;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(x));
    return halves;
}

/* sum + low half * low half + high half * high half, modulo 2^32. */
static inline int32_t mg_dsp_smlad(uint32_t a, uint32_t b, int32_t sum) {
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

/* Four bytes from any address (LDR takes all of them on these cores). */
static inline uint32_t mg_dsp_load(const void *from) {
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* The order in a column is that of SXTB16: 0, 2, 1, 3 of every four numbers.  Columns are 4-byte aligned. */
static inline void mg_dsp_widen_s8(int16_t *column, const int8_t *x, int32_t n) {
    uint32_t *to = (uint32_t *)(void *)column;
    int32_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const uint32_t word = mg_dsp_load(x + i);
        *to++ = mg_dsp_sxtb16(word);
        *to++ = mg_dsp_sxtb16_ror8(word);
    }
    if (i < n) {
        uint32_t word = 0;
        memcpy(&word, x + i, (size_t)(n - i));
        *to++ = mg_dsp_sxtb16(word);
        *to++ = mg_dsp_sxtb16_ror8(word);
    }
}

static inline void mg_dsp_mk_s8_2x2(const int8_t *w0, const int8_t *w1, const int16_t *column0, const int16_t *column1,
                                    int32_t depth, int32_t sum[4]) {
    const uint32_t *a0 = (const uint32_t *)(const void *)w0;
    const uint32_t *a1 = (const uint32_t *)(const void *)w1;
    const uint32_t *b0 = (const uint32_t *)(const void *)column0;
    const uint32_t *b1 = (const uint32_t *)(const void *)column1;
    int32_t s00 = sum[0], s01 = sum[1], s10 = sum[2], s11 = sum[3];
    for (int32_t k = depth; k > 0; k -= 4) {
        const uint32_t row0 = *a0++, row1 = *a1++;
        const uint32_t even0 = *b0++, odd0 = *b0++;
        const uint32_t even1 = *b1++, odd1 = *b1++;
        uint32_t w = mg_dsp_sxtb16(row0);
        s00 = mg_dsp_smlad(w, even0, s00);
        s01 = mg_dsp_smlad(w, even1, s01);
        w = mg_dsp_sxtb16_ror8(row0);
        s00 = mg_dsp_smlad(w, odd0, s00);
        s01 = mg_dsp_smlad(w, odd1, s01);
        w = mg_dsp_sxtb16(row1);
        s10 = mg_dsp_smlad(w, even0, s10);
        s11 = mg_dsp_smlad(w, even1, s11);
        w = mg_dsp_sxtb16_ror8(row1);
        s10 = mg_dsp_smlad(w, odd0, s10);
        s11 = mg_dsp_smlad(w, odd1, s11);
    }
    sum[0] = s00;
    sum[1] = s01;
    sum[2] = s10;
    sum[3] = s11;
}

#define mg_widen_s8  mg_dsp_widen_s8
#define mg_mk_s8_2x2 mg_dsp_mk_s8_2x2

#endif
#endif
