/* On hardware a program has nowhere to return to: it stops.  A fault stops too; mepc and mcause still say where and
 * why. */
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
    hal_exit(HAL_EXIT_FAULT);
}
