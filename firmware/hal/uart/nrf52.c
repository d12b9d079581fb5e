/* UART of nRF52 (the one without EasyDMA: it needs no buffer in RAM), polled: nRF52840 PS, section UART. */
#include "hal_port.h"

#define UART(offset)  HAL_REG(0x40002000u + (offset))
#define TASKS_STARTRX UART(0x000u)
#define TASKS_STARTTX UART(0x008u)
#define EVENTS_RXDRDY UART(0x108u)
#define EVENTS_TXDRDY UART(0x11Cu)
#define ERRORSRC      UART(0x480u)
#define GPIO(offset)  HAL_REG(0x50000000u + (offset))

void hal_uart_init(void) {
    GPIO(0x508u) = 1u << HAL_UART_TX_PIN;     /* OUTSET: the line idles high */
    GPIO(0x518u) = 1u << HAL_UART_TX_PIN;     /* DIRSET */
    GPIO(0x700u + 4u * HAL_UART_RX_PIN) = 0u; /* input, buffer connected */
    UART(0x50Cu) = HAL_UART_TX_PIN;
    UART(0x514u) = HAL_UART_RX_PIN;
    UART(0x524u) = HAL_UART_BAUD_CODE;
    UART(0x56Cu) = 0u; /* no parity, no flow control */
    UART(0x500u) = 4u; /* enable */
    EVENTS_RXDRDY = 0u;
    EVENTS_TXDRDY = 0u;
    TASKS_STARTRX = 1u;
    TASKS_STARTTX = 1u;
}

int hal_uart_rx(void) {
    if (EVENTS_RXDRDY == 0u) {
        return -1;
    }
    EVENTS_RXDRDY = 0u; /* before reading RXD: the FIFO raises it again for the next byte */
    ERRORSRC = ERRORSRC;
    return (int)(UART(0x518u) & 0xFFu);
}

void hal_uart_tx(uint8_t c) {
    EVENTS_TXDRDY = 0u;
    UART(0x51Cu) = c;
    while (EVENTS_TXDRDY == 0u) {
    }
}
