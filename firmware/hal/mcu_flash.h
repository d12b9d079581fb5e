/* Flash memory for weights that survive a power loss (mcu_store.h), as a board describes it. */
#ifndef MCU_FLASH_H
#define MCU_FLASH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mcu_flash mcu_flash;

/* Two slots, one behind the other.  An erased byte reads 0xFF.  The functions return 0, or a negative code when the
 * memory failed; addresses lie between base and the end of the second slot. */
struct mcu_flash {
    uint32_t base;       /* address of the first slot */
    uint32_t unit_bytes; /* erased at once, at least 512 */
    uint32_t word_bytes; /* programmed at once, and only once between two erases: 4, 8, 16 or 32 */
    uint32_t slot_units; /* erase units of one slot */
    /* Whole words.  A word whose programming was cut off may read as anything or fail; it must not stop the program. */
    int (*read)(const mcu_flash *flash, uint32_t address, void *data, uint32_t bytes);
    /* One word. */
    int (*program)(const mcu_flash *flash, uint32_t address, const void *word);
    /* The unit that begins at address. */
    int (*erase)(const mcu_flash *flash, uint32_t address);
};

#ifdef __cplusplus
}
#endif

#endif
