/* Flash of nRF52 (product specification of nRF52840, chapter NVMC): pages of 4 KB, words of 32 bits without a code of
 * their own.  The CPU stands still while it is written, 41 us a word and 85 ms a page.  nRF51 has the same registers
 * and pages of 1 KB. */
#include "hal_port.h"

#define HAL_FLASH_WORD 4u
#ifndef HAL_FLASH_UNIT
#define HAL_FLASH_UNIT 4096u
#endif
#include "flash_mapped.h"

#define NVMC(offset) HAL_REG(0x4001E000u + (offset))
#define READY        NVMC(0x400u)
#define CONFIG       NVMC(0x504u)
#define ERASEPAGE    NVMC(0x508u)

static void allow(uint32_t what) { /* 0 reading only, 1 writing, 2 erasing */
    CONFIG = what;
    while ((READY & 1u) == 0u) {
    }
    __asm__ volatile("dsb\n isb" ::: "memory");
}

static int nrf52_read(const mcu_flash *flash, uint32_t address, void *data, uint32_t bytes) {
    (void)flash;
    hal_flash_copy(address, data, bytes);
    return 0;
}

static int nrf52_program(const mcu_flash *flash, uint32_t address, const void *word) {
    (void)flash;
    allow(1u);
    hal_flash_put(address, word);
    while ((READY & 1u) == 0u) {
    }
    allow(0u);
    return 0;
}

static int nrf52_erase(const mcu_flash *flash, uint32_t address) {
    (void)flash;
    allow(2u);
    ERASEPAGE = address;
    while ((READY & 1u) == 0u) {
    }
    allow(0u);
    return 0;
}

HAL_FLASH_DEFINE(nrf52_read, nrf52_program, nrf52_erase)
