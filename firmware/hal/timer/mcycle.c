/* Counter of CPU cycles of RISC-V, 64 bits. */
#include "csr.h"

void hal_timer_init(void) {}

uint64_t hal_ticks(void) {
    uint32_t high, low, again;
    do {
        CSR_READ("mcycleh", high);
        CSR_READ("mcycle", low);
        CSR_READ("mcycleh", again);
    } while (high != again);
    return ((uint64_t)high << 32) | low;
}
