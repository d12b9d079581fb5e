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

/* Four bytes from any address (LDR takes all of them on these cores). */
static inline uint32_t mg_dsp_load(const void *from) {
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* 1 to 3 bytes, the rest of the word is 0. */
static inline uint32_t mg_dsp_load_some(const int8_t *from, uint32_t bytes) {
    uint32_t word = (uint8_t)from[0];
    if (bytes > 1u) {
        word |= (uint32_t)(uint8_t)from[1] << 8;
    }
    if (bytes > 2u) {
        word |= (uint32_t)(uint8_t)from[2] << 16;
    }
    return word;
}

/* mg_requant_s8 of x (which is lost) into y. */
#define MG_DSP_REQUANT_S8(x, y, multiplier, n1, zp2)                                                                   \
    "lsl " x ", " x ", #1\n\t"                                                                                         \
    "smmulr " y ", " x ", " multiplier "\n\t"                                                                          \
    "add " y ", " y ", " x ", asr #31\n\t"                                                                             \
    "asr " y ", " y ", " n1 "\n\t"                                                                                     \
    "add " y ", " y ", " zp2 "\n\t"                                                                                    \
    "ssat " y ", #8, " y ", asr #1\n\t"

/* Four numbers of depth: two channels by three pixels. */
#define MG_DSP_STEP_2X3                                                                                                \
    "ldrd r8, r9, [r0], #8\n\t"                                                                                        \
    "ldm r1!, {r11, r12, lr}\n\t"                                                                                      \
    "sxtb16 r10, r8\n\t"                                                                                               \
    "smlad r2, r10, r11, r2\n\t"                                                                                       \
    "smlad r3, r10, r12, r3\n\t"                                                                                       \
    "smlad r4, r10, lr, r4\n\t"                                                                                        \
    "sxtb16 r10, r9\n\t"                                                                                               \
    "smlad r5, r10, r11, r5\n\t"                                                                                       \
    "smlad r6, r10, r12, r6\n\t"                                                                                       \
    "smlad r7, r10, lr, r7\n\t"                                                                                        \
    "ldm r1!, {r11, r12, lr}\n\t"                                                                                      \
    "sxtb16 r10, r8, ror #8\n\t"                                                                                       \
    "smlad r2, r10, r11, r2\n\t"                                                                                       \
    "smlad r3, r10, r12, r3\n\t"                                                                                       \
    "smlad r4, r10, lr, r4\n\t"                                                                                        \
    "sxtb16 r10, r9, ror #8\n\t"                                                                                       \
    "smlad r5, r10, r11, r5\n\t"                                                                                       \
    "smlad r6, r10, r12, r6\n\t"                                                                                       \
    "smlad r7, r10, lr, r7\n\t"

/* Two channels by three pixels; `log2_bytes` of the weights of both per number of depth.  The addresses of local labels
 * are even; the lowest bit says that the code is Thumb. */
/* clang-format off */
#define MG_DSP_BLOCK_2X3(name, step, log2_bytes)                                                                       \
    __attribute__((noinline, unused)) static void name(mg_block_s8 *b) {                                               \
        register mg_block_s8 *r0 __asm__("r0") = b;                                                                    \
        /* r0 stream, r1 columns, r2-r4 sums of the first channel, r5-r7 of the second, r8 r9 weights, r10 their       \
         * halves, r11 r12 lr columns; on the stack b, the end of the columns, where to enter the loop, and the        \
         * end of the stream. */                                                                                       \
        __asm__ volatile(                                                                                              \
            ".syntax unified\n\t"                                                                                      \
            "push {r4-r11, lr}\n\t"                                                                                    \
            "ldr r1, [r0, #20]\n\t"                                                                                    \
            "ldr r2, [r0, #24]\n\t"                                                                                    \
            "ldr r4, [r0, #28]\n\t"                                                                                    \
            "lsl r5, r2, #" log2_bytes "\n\t"                                                                          \
            "add r5, r5, #20\n\t" /* bytes of stream per pair */                                                       \
            "ldr r3, [r0, #16]\n\t"                                                                                    \
            "mla r5, r5, r4, r3\n\t" /* end of the stream */                                                           \
            "add r3, r2, r2, lsl #1\n\t"                                                                               \
            "add r3, r1, r3, lsl #1\n\t" /* end of the columns */                                                      \
            "adr.w r4, 20f\n\t"                                                                                        \
            "ands r2, r2, #12\n\t"                                                                                     \
            "beq 11f\n\t"                                                                                              \
            "adr.w r4, 21f\n\t"                                                                                        \
            "cmp r2, #8\n\t"                                                                                           \
            "bhi 11f\n\t"                                                                                              \
            "adr.w r4, 22f\n\t"                                                                                        \
            "beq 11f\n\t"                                                                                              \
            "adr.w r4, 23f\n"                                                                                          \
            "11:\n\t"                                                                                                  \
            "orr r4, r4, #1\n\t"                                                                                       \
            "sub sp, sp, #4\n\t"                                                                                       \
            "push {r0, r3, r4, r5}\n\t"                                                                                \
            "ldr r0, [r0, #16]\n"                                                                                      \
            "12:\n\t"                                                                                                  \
            "ldr lr, [sp]\n\t"                                                                                         \
            "ldr r1, [lr, #20]\n\t"                                                                                    \
            "ldrd r2, r5, [r0], #8\n\t"                                                                                \
            "mov r3, r2\n\t"                                                                                           \
            "mov r4, r2\n\t"                                                                                           \
            "mov r6, r5\n\t"                                                                                           \
            "mov r7, r5\n\t"                                                                                           \
            "ldr pc, [sp, #8]\n"                                                                                       \
            "20:\n\t" step "21:\n\t" step "22:\n\t" step "23:\n\t" step                                                \
            "ldr r10, [sp, #4]\n\t"                                                                                    \
            "cmp r1, r10\n\t"                                                                                          \
            "bne 20b\n\t"                                                                                              \
            "ldr r10, [sp]\n\t"                                                                                        \
            "ldm r10, {r1, r11, r12, lr}\n\t" /* y, next1, next2, zp2 */                                               \
            "ldrd r8, r9, [r0], #8\n\t"                                                                                \
            MG_DSP_REQUANT_S8("r4", "r10", "r8", "r9", "lr")                                                           \
            "strb r10, [r1, r12]\n\t"                                                                                  \
            MG_DSP_REQUANT_S8("r3", "r10", "r8", "r9", "lr")                                                           \
            "strb r10, [r1, r11]\n\t"                                                                                  \
            MG_DSP_REQUANT_S8("r2", "r10", "r8", "r9", "lr")                                                           \
            "strb r10, [r1], #1\n\t"                                                                                   \
            "ldr r8, [r0], #4\n\t"                                                                                     \
            "lsr r9, r9, #8\n\t"                                                                                       \
            MG_DSP_REQUANT_S8("r7", "r10", "r8", "r9", "lr")                                                           \
            "strb r10, [r1, r12]\n\t"                                                                                  \
            MG_DSP_REQUANT_S8("r6", "r10", "r8", "r9", "lr")                                                           \
            "strb r10, [r1, r11]\n\t"                                                                                  \
            MG_DSP_REQUANT_S8("r5", "r10", "r8", "r9", "lr")                                                           \
            "strb r10, [r1], #1\n\t"                                                                                   \
            "ldr r10, [sp]\n\t"                                                                                        \
            "ldr r9, [sp, #12]\n\t"                                                                                    \
            "str r1, [r10]\n\t"                                                                                        \
            "cmp r0, r9\n\t"                                                                                           \
            "bne 12b\n\t"                                                                                              \
            "str r0, [r10, #16]\n\t"                                                                                   \
            "add sp, sp, #20\n\t"                                                                                      \
            "pop {r4-r11, lr}\n\t"                                                                                     \
            : "+r"(r0)                                                                                                 \
            :                                                                                                          \
            : "r1", "r2", "r3", "r12", "cc", "memory");                                                                \
    }
/* clang-format on */

/* 19 instructions per 24 multiplications. */
MG_DSP_BLOCK_2X3(mg_dsp_block_s8_2x3, MG_DSP_STEP_2X3, "1")

/* Three words to three pairs of columns. */
static inline void mg_dsp_columns_s8(int16_t *columns, const int8_t *x0, const int8_t *x1, const int8_t *x2,
                                     int32_t n) {
    const int32_t whole = n & ~3;
    if (whole != 0) {
        const int8_t *const end = x0 + whole;
        __asm__ volatile("1:\n\t"
                         "ldr r3, [%1], #4\n\t"
                         "ldr r4, [%2], #4\n\t"
                         "ldr r5, [%3], #4\n\t"
                         "sxtb16 r8, r3\n\t"
                         "sxtb16 r10, r4\n\t"
                         "sxtb16 r12, r5\n\t"
                         "stm %0!, {r8, r10, r12}\n\t"
                         "sxtb16 r3, r3, ror #8\n\t"
                         "sxtb16 r4, r4, ror #8\n\t"
                         "sxtb16 r5, r5, ror #8\n\t"
                         "stm %0!, {r3, r4, r5}\n\t"
                         "cmp %1, %4\n\t"
                         "bne 1b"
                         : "+r"(columns), "+r"(x0), "+r"(x1), "+r"(x2)
                         : "r"(end)
                         : "r3", "r4", "r5", "r8", "r10", "r12", "cc", "memory");
    }
    if (whole != n) {
        uint32_t *const to = (uint32_t *)(void *)columns;
        const uint32_t bytes = (uint32_t)(n - whole);
        const uint32_t word0 = mg_dsp_load_some(x0, bytes);
        const uint32_t word1 = mg_dsp_load_some(x1, bytes);
        const uint32_t word2 = mg_dsp_load_some(x2, bytes);
        to[0] = mg_dsp_sxtb16(word0);
        to[1] = mg_dsp_sxtb16(word1);
        to[2] = mg_dsp_sxtb16(word2);
        to[3] = mg_dsp_sxtb16_ror8(word0);
        to[4] = mg_dsp_sxtb16_ror8(word1);
        to[5] = mg_dsp_sxtb16_ror8(word2);
    }
}

static inline void mg_dsp_column_s8(int16_t *column, const int8_t *x, int32_t n) {
    uint32_t *to = (uint32_t *)(void *)column;
    for (int32_t k = 0; k < n; k += 4) {
        const uint32_t word = mg_dsp_load(x + k);
        to[0] = mg_dsp_sxtb16(word);
        to[3] = mg_dsp_sxtb16_ror8(word);
        to += 6;
    }
}

/* Two taps of four channels. */
#define MG_DSP_TAPS_4                                                                                                  \
    "ldrd r7, r8, [r2], #8\n\t"                                                                                        \
    "ldr r7, [r1, r7]\n\t"                                                                                             \
    "ldr r8, [r1, r8]\n\t"                                                                                             \
    "ldrd r10, r11, [r0], #8\n\t"                                                                                      \
    "pkhbt r9, r7, r8, lsl #16\n\t"                                                                                    \
    "pkhtb r8, r8, r7, asr #16\n\t"                                                                                    \
    "sxtb16 r7, r9\n\t"                                                                                                \
    "sxtb16 r12, r10\n\t"                                                                                              \
    "smlad r3, r7, r12, r3\n\t"                                                                                        \
    "sxtb16 r9, r9, ror #8\n\t"                                                                                        \
    "sxtb16 r10, r10, ror #8\n\t"                                                                                      \
    "smlad r4, r9, r10, r4\n\t"                                                                                        \
    "sxtb16 r7, r8\n\t"                                                                                                \
    "sxtb16 r12, r11\n\t"                                                                                              \
    "smlad r5, r7, r12, r5\n\t"                                                                                        \
    "sxtb16 r8, r8, ror #8\n\t"                                                                                        \
    "sxtb16 r11, r11, ror #8\n\t"                                                                                      \
    "smlad r6, r8, r11, r6\n\t"

/* Four channels at a time; `odd` loads the weights of an odd last tap as pairs of halves to r11 and r12, `words` takes
 * the number of words per four channels to r8. */
/* clang-format off */
#define MG_DSP_DEPTHWISE_4(name, taps, odd, words)                                                                     \
    __attribute__((noinline, unused)) static void name(mg_depthwise_s8 *d) {                                           \
        register mg_depthwise_s8 *r0 __asm__("r0") = d;                                                                \
        /* r0 stream, r1 x, r2 offsets, r3-r6 sums, r7-r9 and r12 numbers, r10 r11 weights, lr end of the paired       \
         * offsets; on the stack d, where to enter the loop, where to go behind it, the offsets, their end, and        \
         * the end of the stream. */                                                                                   \
        __asm__ volatile(".syntax unified\n\t"                                                                         \
            "push {r4-r11, lr}\n\t"                                                                                    \
            "ldr r1, [r0, #12]\n\t"                                                                                    \
            "ldr r4, [r0, #16]\n\t"                                                                                    \
            "ldr r5, [r0, #20]\n\t"                                                                                    \
            "ldr r6, [r0, #24]\n\t"                                                                                    \
            "ldr r7, [r0, #8]\n\t" words                                                                               \
            "mul r8, r8, r6\n\t"                                                                                       \
            "add r6, r7, r8, lsl #2\n\t" /* end of the stream */                                                       \
            "adr.w r3, 24f\n\t"                                                                                        \
            "lsrs r2, r5, #1\n\t" /* odd: C */                                                                         \
            "bcs 11f\n\t"                                                                                              \
            "adr.w r3, 25f\n"                                                                                          \
            "11:\n\t"                                                                                                  \
            "add r5, r4, r2, lsl #3\n\t" /* end of the paired offsets */                                               \
            "mov r8, r3\n\t"                                                                                           \
            "cbz r2, 12f\n\t"                                                                                          \
            "adr.w r8, 20f\n\t"                                                                                        \
            "ands r2, r2, #3\n\t"                                                                                      \
            "beq 12f\n\t"                                                                                              \
            "adr.w r8, 21f\n\t"                                                                                        \
            "cmp r2, #2\n\t"                                                                                           \
            "bhi 12f\n\t"                                                                                              \
            "adr.w r8, 22f\n\t"                                                                                        \
            "beq 12f\n\t"                                                                                              \
            "adr.w r8, 23f\n"                                                                                          \
            "12:\n\t"                                                                                                  \
            "orr r2, r8, #1\n\t"                                                                                       \
            "orr r3, r3, #1\n\t"                                                                                       \
            "push {r0, r2, r3, r4, r5, r6}\n\t"                                                                        \
            "mov r0, r7\n"                                                                                             \
            "13:\n\t"                                                                                                  \
            "ldr r2, [sp, #12]\n\t"                                                                                    \
            "ldr lr, [sp, #16]\n\t"                                                                                    \
            "ldm r0!, {r3, r4, r5, r6}\n\t"                                                                            \
            "ldr pc, [sp, #4]\n"                                                                                       \
            "20:\n\t" taps "21:\n\t" taps "22:\n\t" taps "23:\n\t" taps                                                \
            "cmp r2, lr\n\t"                                                                                           \
            "bne 20b\n\t"                                                                                              \
            "ldr pc, [sp, #8]\n"                                                                                       \
            "24:\n\t"                                                                                                  \
            "ldr r7, [r2]\n\t"                                                                                         \
            "ldr r7, [r1, r7]\n\t"                                                                                     \
            odd                                                                                                        \
            "sxtb16 r8, r7\n\t"                                                                                        \
            "sxtb16 r9, r7, ror #8\n\t"                                                                                \
            "smlabb r3, r8, r11, r3\n\t"                                                                               \
            "smlabb r4, r9, r12, r4\n\t"                                                                               \
            "smlatt r5, r8, r11, r5\n\t"                                                                               \
            "smlatt r6, r9, r12, r6\n"                                                                                 \
            "25:\n\t"                                                                                                  \
            "ldr r12, [sp]\n\t"                                                                                        \
            "ldm r0!, {r7, r8, r9, r10, r11}\n\t"                                                                      \
            "ldrd r2, lr, [r12]\n\t" /* y, zp2 */                                                                      \
            "add r1, r1, #4\n\t"                                                                                       \
            MG_DSP_REQUANT_S8("r3", "r12", "r7", "r11", "lr")                                                          \
            "strb r12, [r2], #1\n\t"                                                                                   \
            "lsr r11, r11, #8\n\t"                                                                                     \
            MG_DSP_REQUANT_S8("r4", "r12", "r8", "r11", "lr")                                                          \
            "strb r12, [r2], #1\n\t"                                                                                   \
            "lsr r11, r11, #8\n\t"                                                                                     \
            MG_DSP_REQUANT_S8("r5", "r12", "r9", "r11", "lr")                                                          \
            "strb r12, [r2], #1\n\t"                                                                                   \
            "lsr r11, r11, #8\n\t"                                                                                     \
            MG_DSP_REQUANT_S8("r6", "r12", "r10", "r11", "lr")                                                         \
            "strb r12, [r2], #1\n\t"                                                                                   \
            "ldr r12, [sp]\n\t"                                                                                        \
            "ldr lr, [sp, #20]\n\t"                                                                                    \
            "str r2, [r12]\n\t"                                                                                        \
            "cmp r0, lr\n\t"                                                                                           \
            "bne 13b\n\t"                                                                                              \
            "str r0, [r12, #8]\n\t"                                                                                    \
            "str r1, [r12, #12]\n\t"                                                                                   \
            "add sp, sp, #24\n\t"                                                                                      \
            "pop {r4-r11, lr}\n\t"                                                                                     \
                         : "+r"(r0)                                                                                    \
                         :                                                                                             \
                         : "r1", "r2", "r3", "r12", "cc", "memory");                                                   \
    }
/* clang-format on */

MG_DSP_DEPTHWISE_4(mg_dsp_depthwise_s8_4, MG_DSP_TAPS_4,
                   "ldr r10, [r0], #4\n\t"
                   "sxtb16 r11, r10\n\t"
                   "sxtb16 r12, r10, ror #8\n\t",
                   "add r8, r5, #9\n\t")

#define MG_DSP_ADD_S8                                                                                                  \
    "ldrsb r12, [%1], #1\n\t"                                                                                          \
    "ldrsb r3, [%0], #1\n\t"                                                                                           \
    "sub r12, r12, r4\n\t"                                                                                             \
    "lsl r12, r12, #21\n\t"                                                                                            \
    "smmlar r2, r12, r5, r6\n\t"                                                                                       \
    "add r2, r2, r12, asr #31\n\t"                                                                                     \
    "asr r2, r2, r8\n\t"                                                                                               \
    "add r2, r2, r3, lsl #19\n\t"                                                                                      \
    "lsl r2, r2, #1\n\t"                                                                                               \
    "smmlar r12, r2, r9, r10\n\t"                                                                                      \
    "add r12, r12, r2, asr #31\n\t"                                                                                    \
    "asr r12, r12, r11\n\t"                                                                                            \
    "ssat r12, #8, r12\n\t"                                                                                            \
    "strb r12, [%2], #1\n\t"

__attribute__((noinline, unused)) static void mg_dsp_add_s8(const mg_add_scale_s8 *s, const int8_t *x0,
                                                            const int8_t *x1, int8_t *y, uint32_t n) {
    register const int8_t *a __asm__("r0") = x0;
    register const int8_t *b __asm__("r1") = x1;
    register int8_t *to __asm__("lr") = y;
    register const mg_add_scale_s8 *scale __asm__("r2") = s;
    register uint32_t count __asm__("r3") = n;
    if (n == 0u) {
        return;
    }
    __asm__ volatile(".syntax unified\n\t"
                     "push {r4-r11}\n\t"
                     "mov r12, %3\n\t"
                     "add r7, %0, %4\n\t"
                     "tst %4, #1\n\t"
                     "ldm r12, {r4, r5, r6, r8, r9, r10, r11}\n\t"
                     "bne 2f\n"
                     "1:\n\t" MG_DSP_ADD_S8 "2:\n\t" MG_DSP_ADD_S8 "cmp %0, r7\n\t"
                     "bne 1b\n\t"
                     "pop {r4-r11}\n\t"
                     : "+r"(a), "+r"(b), "+r"(to), "+r"(scale), "+r"(count)
                     :
                     : "r12", "cc", "memory");
}

#define MG_DSP_ROW(sum, w)                                                                                             \
    "sxtb16 r3, " w "\n\t"                                                                                             \
    "smlad " sum ", r3, r12, " sum "\n\t"                                                                              \
    "sxtb16 " w ", " w ", ror #8\n\t"                                                                                  \
    "smlad " sum ", " w ", lr, " sum "\n\t"

/* Four numbers of depth of four rows. */
#define MG_DSP_ROWS_4                                                                                                  \
    "ldm r0!, {r8, r9, r10, r11}\n\t"                                                                                  \
    "ldr lr, [r1], #4\n\t"                                                                                             \
    "sxtb16 r12, lr\n\t"                                                                                               \
    "sxtb16 lr, lr, ror #8\n\t" MG_DSP_ROW("r4", "r8") MG_DSP_ROW("r5", "r9") MG_DSP_ROW("r6", "r10")                  \
        MG_DSP_ROW("r7", "r11")

#define MG_DSP_ROWS(name, step)                                                                                        \
    __attribute__((noinline, unused)) static void name(const uint32_t *w, const int8_t *vector, int32_t depth,         \
                                                       int32_t sum[4]) {                                               \
        register const uint32_t *r0 __asm__("r0") = w;                                                                 \
        register const int8_t *r1 __asm__("r1") = vector;                                                              \
        register int32_t r2 __asm__("r2") = depth;                                                                     \
        register int32_t *r3 __asm__("r3") = sum;                                                                      \
        /* r0 weights, r1 vector, r2 its end, r4-r7 sums */                                                            \
        __asm__ volatile(".syntax unified\n\t"                                                                         \
                         "push {r3-r11, lr}\n\t"                                                                       \
                         "ldm r3, {r4, r5, r6, r7}\n\t"                                                                \
                         "tst r2, #4\n\t"                                                                              \
                         "add r2, r1, r2\n\t"                                                                          \
                         "bne 2f\n"                                                                                    \
                         "1:\n\t" step "2:\n\t" step "cmp r1, r2\n\t"                                                  \
                         "bne 1b\n\t"                                                                                  \
                         "ldr r3, [sp]\n\t"                                                                            \
                         "stm r3, {r4, r5, r6, r7}\n\t"                                                                \
                         "pop {r3-r11, lr}\n\t"                                                                        \
                         : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3)                                                      \
                         :                                                                                             \
                         : "r12", "cc", "memory");                                                                     \
    }

MG_DSP_ROWS(mg_dsp_rows_s8_4, MG_DSP_ROWS_4)

/* Word by word; the empty assembly keeps compilers from making calls of memset and memcpy, which may go byte by byte.
 */
static inline void mg_dsp_fill_s8(int8_t *to, int8_t value, int32_t n) {
    const uint32_t word = (uint32_t)(uint8_t)value * 0x01010101u;
    for (; n >= 4; n -= 4) {
        memcpy(to, &word, 4);
        to += 4;
        __asm__ volatile("" : "+r"(to));
    }
    for (; n > 0; n--) {
        *to++ = value;
        __asm__ volatile("" : "+r"(to));
    }
}

static inline void mg_dsp_copy_s8(int8_t *to, const int8_t *from, int32_t n) {
    for (; n >= 8; n -= 8) {
        const uint32_t word0 = mg_dsp_load(from), word1 = mg_dsp_load(from + 4);
        memcpy(to, &word0, 4);
        memcpy(to + 4, &word1, 4);
        to += 8;
        from += 8;
    }
    if (n >= 4) {
        const uint32_t word = mg_dsp_load(from);
        memcpy(to, &word, 4);
        to += 4;
        from += 4;
        n -= 4;
    }
    for (; n > 0; n--) {
        *to++ = *from++;
        __asm__ volatile("" : "+r"(to));
    }
}

#ifdef MG_SIMD_WEIGHTS16_H
/* Half a step: two numbers of depth. */
#define MG_DSP_HALF_2X3                                                                                                \
    "ldrd r8, r9, [r0], #8\n\t"                                                                                        \
    "ldm r1!, {r11, r12, lr}\n\t"                                                                                      \
    "smlad r2, r8, r11, r2\n\t"                                                                                        \
    "smlad r3, r8, r12, r3\n\t"                                                                                        \
    "smlad r4, r8, lr, r4\n\t"                                                                                         \
    "smlad r5, r9, r11, r5\n\t"                                                                                        \
    "smlad r6, r9, r12, r6\n\t"                                                                                        \
    "smlad r7, r9, lr, r7\n\t"

/* 16 instructions per 24 multiplications. */
MG_DSP_BLOCK_2X3(mg_dsp_block_w16_2x3, MG_DSP_HALF_2X3 MG_DSP_HALF_2X3, "2")

#define MG_DSP_TAPS_W16_4                                                                                              \
    "ldrd r7, r8, [r2], #8\n\t"                                                                                        \
    "ldr r7, [r1, r7]\n\t"                                                                                             \
    "ldr r8, [r1, r8]\n\t"                                                                                             \
    "ldrd r10, r11, [r0], #8\n\t"                                                                                      \
    "pkhbt r9, r7, r8, lsl #16\n\t"                                                                                    \
    "pkhtb r8, r8, r7, asr #16\n\t"                                                                                    \
    "sxtb16 r7, r9\n\t"                                                                                                \
    "smlad r3, r7, r10, r3\n\t"                                                                                        \
    "sxtb16 r9, r9, ror #8\n\t"                                                                                        \
    "smlad r4, r9, r11, r4\n\t"                                                                                        \
    "ldrd r10, r11, [r0], #8\n\t"                                                                                      \
    "sxtb16 r7, r8\n\t"                                                                                                \
    "smlad r5, r7, r10, r5\n\t"                                                                                        \
    "sxtb16 r8, r8, ror #8\n\t"                                                                                        \
    "smlad r6, r8, r11, r6\n\t"

MG_DSP_DEPTHWISE_4(mg_dsp_depthwise_w16_4, MG_DSP_TAPS_W16_4, "ldrd r11, r12, [r0], #8\n\t",
                   "add r8, r5, r5\n\tadd r8, r8, #9\n\t")

#define MG_DSP_ROWS_W16_4                                                                                              \
    "ldm r0!, {r8, r9, r10, r11}\n\t"                                                                                  \
    "ldr lr, [r1], #4\n\t"                                                                                             \
    "sxtb16 r12, lr\n\t"                                                                                               \
    "smlad r4, r8, r12, r4\n\t"                                                                                        \
    "smlad r5, r9, r12, r5\n\t"                                                                                        \
    "smlad r6, r10, r12, r6\n\t"                                                                                       \
    "smlad r7, r11, r12, r7\n\t"                                                                                       \
    "ldm r0!, {r8, r9, r10, r11}\n\t"                                                                                  \
    "sxtb16 lr, lr, ror #8\n\t"                                                                                        \
    "smlad r4, r8, lr, r4\n\t"                                                                                         \
    "smlad r5, r9, lr, r5\n\t"                                                                                         \
    "smlad r6, r10, lr, r6\n\t"                                                                                        \
    "smlad r7, r11, lr, r7\n\t"

MG_DSP_ROWS(mg_dsp_rows_w16_4, MG_DSP_ROWS_W16_4)

#define mg_block_w16_2x3   mg_dsp_block_w16_2x3
#define mg_depthwise_w16_4 mg_dsp_depthwise_w16_4
#define mg_rows_w16_4      mg_dsp_rows_w16_4
#endif

#define mg_fill_s8        mg_dsp_fill_s8
#define mg_copy_s8        mg_dsp_copy_s8
#define mg_depthwise_s8_4 mg_dsp_depthwise_s8_4
#define mg_add_s8         mg_dsp_add_s8
#define mg_rows_s8_4      mg_dsp_rows_s8_4
#define mg_block_s8_2x3   mg_dsp_block_s8_2x3
#define mg_column_s8      mg_dsp_column_s8
#define mg_columns_s8     mg_dsp_columns_s8

#endif
#endif
