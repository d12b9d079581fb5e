/* On hardware a program has nowhere to return to: it stops, and a fault stops too, with the place in the debugger's
 * registers. */
#include "hal_port.h"

void hal_exit(int code) {
    (void)code;
    for (;;) {
        __asm__ volatile("wfi");
    }
}

void hal_fault(uint32_t pc, uint32_t cause) {
    (void)pc;
    (void)cause;
    __asm__ volatile("bkpt 1"); /* a debugger stops here; without one the core locks up, which is a stop as well */
    hal_exit(HAL_EXIT_FAULT);
}
