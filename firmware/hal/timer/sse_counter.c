/* Counter from the SSE-300 system counter, 64 bits.  Registers: Arm Corstone SSE-300 TRM, system counter. */
#include "hal_port.h"

#define CNTCR      HAL_REG(HAL_COUNTER_CONTROL + 0x00u)
#define CNTCV_LOW  HAL_REG(HAL_COUNTER_STATUS + 0x00u)
#define CNTCV_HIGH HAL_REG(HAL_COUNTER_STATUS + 0x04u)

void hal_timer_init(void) {
    CNTCR = 1u; /* enable, no scaling */
}

uint64_t hal_ticks(void) {
    uint32_t high, low;
    do {
        high = CNTCV_HIGH;
        low = CNTCV_LOW;
    } while (high != CNTCV_HIGH);
    return ((uint64_t)high << 32) | low;
}
