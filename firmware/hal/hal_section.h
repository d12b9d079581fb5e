/* Where the runtime's own buffers lie, and what a tick of hal_ticks() is. */
#ifndef MCU_HAL_SECTION_H
#define MCU_HAL_SECTION_H

#include "hal_board.h" /* generated from the board's manifest; firmware/hal/host has one for the host */

/* In front of a definition: memory of the test harness, outside the RAM of the product.  It has no initial value. */
#ifdef MCU_HARNESS
#define MCU_HARNESS_DATA __attribute__((section(".harness")))
#else
#define MCU_HARNESS_DATA
#endif

/* MCU_TICK_... of mcu_messages.h; 0 = not known. */
#ifndef MCU_TICK_KIND
#define MCU_TICK_KIND 0u
#endif

/* 0 where a tick is no measure of time; deadlines of requests are then left to the host. */
#ifndef MCU_TICKS_PER_MS
#define MCU_TICKS_PER_MS 0u
#endif

#endif
