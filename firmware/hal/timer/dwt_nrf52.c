/* CPU cycles on nRF52: DWT for the fine count, TIMER0 for the coarse one (16 MHz / 512, that is 2048 cycles of 64 MHz):
 * 43 bits in all. */
#include "dwt.h"

#define TIMER0(offset) HAL_REG(0x40008000u + (offset))

void hal_timer_init(void) {
    TIMER0(0x504u) = 0u; /* timer mode */
    TIMER0(0x508u) = 3u; /* 32 bits */
    TIMER0(0x510u) = 9u; /* prescaler 2^9 */
    TIMER0(0x00Cu) = 1u; /* clear */
    TIMER0(0x000u) = 1u; /* start */
    dwt_start();
}

uint64_t hal_ticks(void) {
    const uint32_t fine = DWT_CYCCNT;
    TIMER0(0x040u) = 1u; /* capture into CC[0] */
    return hal_wide_count(fine, ((uint64_t)TIMER0(0x540u) + 1u) << 11);
}
