/* Emulated boards: RAM outside the product's that behaves like flash with words of 8 bytes.  What it holds is lost with
 * the power, and before the first erase it holds nothing. */
#define HAL_FLASH_WORD 8u
#define HAL_FLASH_UNIT 4096u
#include "flash_mapped.h"

static int ram_read(const mcu_flash *flash, uint32_t address, void *data, uint32_t bytes) {
    (void)flash;
    hal_flash_copy(address, data, bytes);
    return 0;
}

static int ram_program(const mcu_flash *flash, uint32_t address, const void *word) {
    (void)flash;
    for (uint32_t i = 0; i < HAL_FLASH_WORD; i += 4u) {
        if (HAL_REG(address + i) != 0xFFFFFFFFu) return -1; /* once between two erases */
    }
    hal_flash_put(address, word);
    return 0;
}

static int ram_erase(const mcu_flash *flash, uint32_t address) {
    (void)flash;
    for (uint32_t i = 0; i < HAL_FLASH_UNIT; i += 4u) HAL_REG(address + i) = 0xFFFFFFFFu;
    return 0;
}

HAL_FLASH_DEFINE(ram_read, ram_program, ram_erase)
