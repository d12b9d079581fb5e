/* Flash that is read like memory.  A driver defines HAL_FLASH_WORD (bytes of a word) and HAL_FLASH_UNIT (bytes that are
 * erased at once) and includes this; the region of the store comes from the board's manifest. */
#ifndef MCU_HAL_FLASH_MAPPED_H
#define MCU_HAL_FLASH_MAPPED_H

#include <string.h>

#include "hal_port.h"

typedef char hal_store_is_two_slots[HAL_STORE_BYTES % (2u * HAL_FLASH_UNIT) == 0u ? 1 : -1];

/* Whole words from a word's address; volatile, as the memory changes behind the compiler's back. */
static void hal_flash_copy(uint32_t address, void *data, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i += 4u) {
        const uint32_t word = HAL_REG(address + i);
        memcpy((uint8_t *)data + i, &word, sizeof word);
    }
}

/* Writes one word of the flash in pieces of 32 bits, lowest address first. */
static void hal_flash_put(uint32_t address, const void *data) {
    for (uint32_t i = 0; i < HAL_FLASH_WORD; i += 4u) {
        uint32_t word;
        memcpy(&word, (const uint8_t *)data + i, sizeof word);
        HAL_REG(address + i) = word;
    }
}

#define HAL_FLASH_DEFINE(read, program, erase)                                                                         \
    const mcu_flash *hal_flash(void) {                                                                                 \
        static const mcu_flash flash =                                                                                 \
            {                                                                                                          \
                HAL_STORE_BASE, HAL_FLASH_UNIT, HAL_FLASH_WORD, HAL_STORE_BYTES / 2u / HAL_FLASH_UNIT,                 \
                read,           program,        erase,                                                                 \
            };                                                                                                         \
        return &flash;                                                                                                 \
    }

#endif
