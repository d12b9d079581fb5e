/* Ends the emulator through Arm semihosting ("Semihosting for AArch32 and AArch64", SYS_EXIT_EXTENDED, SYS_WRITE0). */
#include "hal_port.h"

static void semihosting(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void hal_exit(int code) {
    const uint32_t block[2] = {0x20026u, (uint32_t)code}; /* ADP_Stopped_ApplicationExit */
    semihosting(0x20u, block);
    for (;;) {
    }
}

void hal_fault(uint32_t pc, uint32_t cause) {
    char text[] = "mcu-gen: CPU fault at pc 0x00000000, cause 0x00000000\n";
    for (unsigned i = 0; i < 8u; i++) {
        text[27u + i] = "0123456789abcdef"[(pc >> (28u - 4u * i)) & 15u];
        text[45u + i] = "0123456789abcdef"[(cause >> (28u - 4u * i)) & 15u];
    }
    semihosting(0x04u, text);
    hal_exit(HAL_EXIT_FAULT);
}
