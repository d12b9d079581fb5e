/* 16550-compatible UART, polled. */
#include "hal_port.h"

#define UART_DATA HAL_REG8(HAL_UART_BASE + 0u)
#define UART_FCR  HAL_REG8(HAL_UART_BASE + 2u)
#define UART_LCR  HAL_REG8(HAL_UART_BASE + 3u)
#define UART_LSR  HAL_REG8(HAL_UART_BASE + 5u)

void hal_uart_init(void) {
    UART_LCR = 3u; /* 8N1; the boot ROM or the emulator has set the divisor */
    UART_FCR = 7u; /* FIFOs on and empty */
    /* QEMU looks at its end of the line again only after a read, and without this a second later. */
    (void)UART_DATA;
}

int hal_uart_rx(void) {
    return (UART_LSR & 1u) != 0u ? (int)UART_DATA : -1;
}

void hal_uart_tx(uint8_t c) {
    while ((UART_LSR & 0x20u) == 0u) {
    }
    UART_DATA = c;
}
