/* Instruction and data cache of Cortex-M7 and M85 on (Armv7-M ARM, B2.2): invalidate by set and way, then enable. */
#ifndef MCU_HAL_CACHES_H
#define MCU_HAL_CACHES_H

#include "hal_port.h"

#ifdef HAL_CACHES
static void hal_caches_on(void) {
    HAL_REG(0xE000EF50u) = 0u; /* ICIALLU */
    HAL_REG(0xE000ED84u) = 0u; /* CSSELR: level 1 data cache */
    __asm__ volatile("dsb\n isb" ::: "memory");
    const uint32_t ccsidr = HAL_REG(0xE000ED80u);
    const uint32_t sets = (ccsidr >> 13) & 0x7FFFu, ways = (ccsidr >> 3) & 0x3FFu;
    for (uint32_t set = 0; set <= sets; set++) {
        for (uint32_t way = 0; way <= ways; way++) {
            HAL_REG(0xE000EF60u) = (way << 30) | (set << 5); /* DCISW: 4 ways, lines of 32 bytes */
        }
    }
    __asm__ volatile("dsb" ::: "memory");
    HAL_REG(0xE000ED14u) |= (1u << 17) | (1u << 16); /* CCR: IC, DC */
    __asm__ volatile("dsb\n isb" ::: "memory");
}
#endif

#endif
