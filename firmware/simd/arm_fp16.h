/* Conversions of halves on Arm cores with a floating-point unit that has them (Cortex-M4F, M7, M33, M55, M85). */
#ifndef MG_SIMD_ARM_FP16_H
#define MG_SIMD_ARM_FP16_H

/* GCC does not tell of the half-precision bit of __ARM_FP for single-precision units, all of which have it. */
#if defined(__ARM_FP) && (__ARM_FP & 4) && defined(__ARM_FP16_FORMAT_IEEE)

static inline float mg_arm_f32_from_f16(uint16_t h) {
    __fp16 x;
    memcpy(&x, &h, sizeof x);
    return (float)x;
}

static inline uint16_t mg_arm_f16_from_f32(float x) {
    const __fp16 y = (__fp16)x;
    uint16_t h;
    memcpy(&h, &y, sizeof h);
    return h;
}

#define mg_f32_from_f16 mg_arm_f32_from_f16
#define mg_f16_from_f32 mg_arm_f16_from_f32

#endif

#endif
