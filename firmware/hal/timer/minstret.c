/* Counter of retired instructions of RISC-V, 64 bits. */
#include "hal_port.h"

void hal_timer_init(void) {}

uint64_t hal_ticks(void) {
    uint32_t high, low, again;
    do {
        __asm__ volatile("csrr %0, minstreth" : "=r"(high)::"memory");
        __asm__ volatile("csrr %0, minstret" : "=r"(low)::"memory");
        __asm__ volatile("csrr %0, minstreth" : "=r"(again)::"memory");
    } while (high != again);
    return ((uint64_t)high << 32) | low;
}
