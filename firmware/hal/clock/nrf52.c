/* nRF52: the crystal for an exact baud rate, the instruction cache for flash. */
#include "hal_port.h"

void hal_clock_init(void) {
    HAL_REG(0x40000100u) = 0u; /* EVENTS_HFCLKSTARTED */
    HAL_REG(0x40000000u) = 1u; /* TASKS_HFCLKSTART */
    while (HAL_REG(0x40000100u) == 0u) {
    }
    HAL_REG(0x4001E540u) |= 1u; /* NVMC ICACHECNF.CACHEEN */
}
