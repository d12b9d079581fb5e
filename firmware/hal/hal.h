/* What the runtime asks of a board.  One implementation per family in firmware/hal/<family>/, one for the host. */
#ifndef MCU_HAL_H
#define MCU_HAL_H

#include <stdint.h>

#include "mcu_flash.h"

/* Clocks, UART and counter; called once before anything else. */
void hal_init(void);

/* Serial line, 8N1, polled.  hal_getc waits up to timeout_ticks of hal_ticks() (0 = for ever); -1 when nothing came. */
int hal_getc(uint32_t timeout_ticks);
void hal_putc(uint8_t c);

/* A free-running counter for measuring: 64-bit, extended in software where the hardware wraps.  What one tick is
 * (instructions, cycles, nanoseconds of emulated time) is said by the board's manifest and in HELLO. */
uint64_t hal_ticks(void);

/* Stack painting: fill the unused stack with a pattern; how many bytes of the reserved stack were ever used. */
void hal_stack_paint(void);
uint32_t hal_stack_used(void);
uint32_t hal_stack_reserved(void);

/* Bulk memory of emulated runs (section .harness), or NULL/0 where the board has none. */
uint8_t *hal_harness(uint32_t *bytes);

/* Flash for weights that survive a power loss (mcu_store.h), or NULL where the board has none.  Only in firmware that
 * learns: the linker keeps its program out of there. */
const mcu_flash *hal_flash(void);

/* Ends the program (emulator, host); on hardware it resets or halts. */
void hal_exit(int code);

#endif
