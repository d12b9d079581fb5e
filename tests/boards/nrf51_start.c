/* A start-up and a HAL for QEMU's nRF51: output and exit through Arm semihosting. */
#include "hal.h"

int main(void);
void start(void);

static void semihosting(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void hal_init(void) {}

void hal_putc(uint8_t c) {
    semihosting(0x03u, &c);
}

void hal_exit(int code) {
    (void)code;
    semihosting(0x18u, (const void *)0x20026u);
    for (;;) {
    }
}

void start(void) {
    hal_exit(main());
}

__attribute__((section(".vectors"), used)) static const void *const vectors[2] = {(const void *)0x20004000u,
                                                                                  (const void *)start};
