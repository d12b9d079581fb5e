/* The cycle counter of the DWT unit of Armv7-M cores (Armv7-M ARM, section C1.8). */
#ifndef MCU_HAL_DWT_H
#define MCU_HAL_DWT_H

#include "hal_port.h"
#include "wide.h"

#define DWT_CYCCNT HAL_REG(0xE0001004u)

static void dwt_start(void) {
    HAL_REG(0xE000EDFCu) |= 1u << 24;   /* DEMCR.TRCENA */
    HAL_REG(0xE0001FB0u) = 0xC5ACCE55u; /* LAR: Cortex-M7 locks the unit */
    DWT_CYCCNT = 0u;
    HAL_REG(0xE0001000u) |= 1u;
}

#endif
