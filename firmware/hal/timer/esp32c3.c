/* CPU cycles on ESP32-C3, which has no mcycle: its own 32-bit counter (PCCR) for the fine count, SYSTIMER (16 MHz, 52
 * bits; the CPU runs at ten times that) for the coarse one (technical reference manual, CPU and System Timer). */
#include "csr.h"
#include "wide.h"

#define SYSTIMER(offset) HAL_REG(0x60023000u + (offset))

static uint64_t coarse(void) {
    SYSTIMER(0x04u) = 1u << 30; /* unit 0: take a reading */
    while ((SYSTIMER(0x04u) & (1u << 29)) == 0u) {
    }
    const uint32_t high = SYSTIMER(0x40u);
    return (((uint64_t)high << 32) | SYSTIMER(0x44u)) * 10u;
}

void hal_timer_init(void) {
    CSR_WRITE("0x7E0", 1);        /* MPCER: count cycles */
    CSR_WRITE("0x7E2", coarse()); /* MPCCR: both counts start at one number */
    CSR_WRITE("0x7E1", 1);        /* MPCMR: run */
}

uint64_t hal_ticks(void) {
    uint32_t fine;
    CSR_READ("0x7E2", fine);
    return hal_wide_count(fine, coarse());
}
