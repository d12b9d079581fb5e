/* The parts of the HAL that need no register: waiting for a byte, stack painting, the harness region. */
#include "hal_port.h"

/* From the linker script. */
extern uint32_t __stack_base[], __stack_top[];
extern uint8_t __harness_free[], __harness_end[];

#define HAL_STACK_PATTERN 0xC5C5C5C5u

void hal_init(void) {
    hal_clock_init();
    hal_uart_init();
    hal_timer_init();
}

int hal_getc(uint32_t timeout_ticks) {
    int c = hal_uart_rx();
    if (c < 0) {
        const uint64_t start = hal_ticks();
        do {
            c = hal_uart_rx();
        } while (c < 0 && (timeout_ticks == 0u || hal_ticks() - start < timeout_ticks));
    }
    return c;
}

void hal_putc(uint8_t c) {
    hal_uart_tx(c);
}

static volatile uint32_t *painted_from(void) {
    return (volatile uint32_t *)__stack_base + HAL_TLS_BYTES / sizeof(uint32_t);
}

void hal_stack_paint(void) {
    /* Everything below this function's own frame is free; the address of a local marks where the frame is.  The
     * margin covers what the compiler may keep below that local. */
    volatile uint32_t here = 0u;
    const uintptr_t limit = (uintptr_t)&here - 32u;
    for (volatile uint32_t *p = painted_from(); (uintptr_t)p < limit; p++) {
        *p = HAL_STACK_PATTERN + here;
    }
}

uint32_t hal_stack_used(void) {
    volatile uint32_t *p = painted_from();
    while (p < (volatile uint32_t *)__stack_top && *p == HAL_STACK_PATTERN) {
        p++;
    }
    return (uint32_t)((uintptr_t)__stack_top - (uintptr_t)p);
}

uint32_t hal_stack_reserved(void) {
    return (uint32_t)((uintptr_t)__stack_top - (uintptr_t)__stack_base);
}

uint8_t *hal_harness(uint32_t *bytes) {
    const uint32_t size = (uint32_t)((uintptr_t)__harness_end - (uintptr_t)__harness_free);
    *bytes = size;
    return size != 0u ? __harness_free : (uint8_t *)0;
}
