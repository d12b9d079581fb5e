/* Conversions of halves on RISC-V cores with Zfh (or Zfhmin). */
#ifndef MG_SIMD_RV32_ZFH_H
#define MG_SIMD_RV32_ZFH_H

#if defined(__riscv_zfh) || defined(__riscv_zfhmin)

static inline float mg_zfh_f32_from_f16(uint16_t h) {
    _Float16 x;
    memcpy(&x, &h, sizeof x);
    return (float)x;
}

static inline uint16_t mg_zfh_f16_from_f32(float x) {
    const _Float16 y = (_Float16)x;
    uint16_t h;
    memcpy(&h, &y, sizeof h);
    return h;
}

#define mg_f32_from_f16 mg_zfh_f32_from_f16
#define mg_f16_from_f32 mg_zfh_f16_from_f32

#endif

#endif
