/* UART0 of ESP32-C3, polled, as the boot loader has set it up: 115200 8N1 (technical reference manual, UART). */
#include "hal_port.h"

#define UART_FIFO   HAL_REG(0x60000000u)
#define UART_STATUS HAL_REG(0x6000001Cu)

#define FIFO_BYTES 128u

void hal_uart_init(void) {}

int hal_uart_rx(void) {
    return (UART_STATUS & 0x3FFu) != 0u ? (int)(UART_FIFO & 0xFFu) : -1;
}

void hal_uart_tx(uint8_t c) {
    while (((UART_STATUS >> 16) & 0x3FFu) >= FIFO_BYTES - 2u) {
    }
    UART_FIFO = c;
}
