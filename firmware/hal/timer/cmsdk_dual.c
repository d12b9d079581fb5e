/* Counter from the Arm CMSDK dual timer: timer 1 counts the clock, timer 2 the clock divided by 256, which makes 40
 * bits (12 hours at 25 MHz).  Registers: Cortex-M System Design Kit TRM, section 4.5. */
#include "hal_port.h"
#include "wide.h"

#define TIMER_LOAD(n)    HAL_REG(HAL_TIMER_BASE + 0x20u * (n) + 0x00u)
#define TIMER_VALUE(n)   HAL_REG(HAL_TIMER_BASE + 0x20u * (n) + 0x04u)
#define TIMER_CONTROL(n) HAL_REG(HAL_TIMER_BASE + 0x20u * (n) + 0x08u)

#define CONTROL_ENABLE       0x80u
#define CONTROL_PRESCALE_256 0x08u
#define CONTROL_32_BIT       0x02u

void hal_timer_init(void) {
    TIMER_CONTROL(0u) = CONTROL_32_BIT;
    TIMER_CONTROL(1u) = CONTROL_32_BIT | CONTROL_PRESCALE_256;
    TIMER_LOAD(0u) = 0xFFFFFFFFu;
    TIMER_LOAD(1u) = 0xFFFFFFFFu;
    TIMER_CONTROL(1u) = CONTROL_32_BIT | CONTROL_PRESCALE_256 | CONTROL_ENABLE;
    TIMER_CONTROL(0u) = CONTROL_32_BIT | CONTROL_ENABLE;
}

uint64_t hal_ticks(void) {
    const uint32_t fine = ~TIMER_VALUE(0u); /* they count down */
    const uint32_t coarse = ~TIMER_VALUE(1u);
    /* Timer 2 starts first, so the estimate is never behind by more than its own unit; +1 unit keeps the sum positive
     * right after the start. */
    return hal_wide_count(fine, ((uint64_t)coarse + 1u) << 8);
}
