/* Ends the emulator through the SiFive test finisher, the device at HAL_EXIT_BASE. */
#include "hal_port.h"

void hal_exit(int code) {
    HAL_REG(HAL_EXIT_BASE) = code == 0 ? 0x5555u : (((uint32_t)code << 16) | 0x3333u);
    for (;;) {
    }
}

void hal_fault(uint32_t pc, uint32_t cause) {
    static const char digits[] = "0123456789abcdef";
    static const char text[] = "\nmcu-gen: CPU fault at pc 0x";
    for (const char *s = text; *s != '\0'; s++) {
        hal_uart_tx((uint8_t)*s);
    }
    for (unsigned i = 0; i < 8u; i++) {
        hal_uart_tx((uint8_t)digits[(pc >> (28u - 4u * i)) & 15u]);
    }
    hal_uart_tx((uint8_t)' ');
    hal_uart_tx((uint8_t)digits[cause & 15u]);
    hal_uart_tx((uint8_t)'\n');
    hal_exit(HAL_EXIT_FAULT);
}
