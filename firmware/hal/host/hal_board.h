/* The host as a board. */
#ifndef MCU_HAL_BOARD_H
#define MCU_HAL_BOARD_H

#define MCU_TICK_KIND    3u /* nanoseconds */
#define MCU_TICKS_PER_MS 1000000u

#endif
