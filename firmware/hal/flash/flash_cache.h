/* Flash behind the data cache of a Cortex-M7: what was written past the cache, or into it, is read from memory again.
 */
#ifndef MCU_HAL_FLASH_CACHE_H
#define MCU_HAL_FLASH_CACHE_H

#include "hal_port.h"

/* Drops the lines of [address, address + bytes).  Flash is write-through: no line holds what memory lacks. */
static void hal_flash_drop_lines(uint32_t address, uint32_t bytes) {
    __asm__ volatile("dsb" ::: "memory");
#ifdef HAL_CACHES
    for (uint32_t line = address & ~31u; line < address + bytes; line += 32u) HAL_REG(0xE000EF5Cu) = line; /* DCIMVAC */
#else
    (void)address;
    (void)bytes;
#endif
    __asm__ volatile("dsb\n isb" ::: "memory");
}

#endif
