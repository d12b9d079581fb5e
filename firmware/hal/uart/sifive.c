/* UART of SiFive FE310, polled (FE310-G002 manual, chapters UART and GPIO): UART0 on pins 16 (RX) and 17 (TX). */
#include "hal_port.h"

#define UART(offset) HAL_REG(HAL_UART_BASE + (offset))
#define UART_TXDATA  UART(0x00u)
#define UART_RXDATA  UART(0x04u)
#define GPIO_IOF_EN  HAL_REG(0x10012038u)
#define GPIO_IOF_SEL HAL_REG(0x1001203Cu)

#define FULL_OR_EMPTY (1u << 31)
#define PINS          ((1u << 16) | (1u << 17))

void hal_uart_init(void) {
    GPIO_IOF_SEL &= ~PINS;
    GPIO_IOF_EN |= PINS;
    UART(0x18u) = (HAL_F_CPU + HAL_UART_BAUD / 2u) / HAL_UART_BAUD - 1u;
    UART(0x08u) = 1u; /* transmitter on, one stop bit */
    UART(0x0Cu) = 1u; /* receiver on */
}

int hal_uart_rx(void) {
    const uint32_t word = UART_RXDATA; /* the byte and whether there was one, in a single read */
    return (word & FULL_OR_EMPTY) == 0u ? (int)(word & 0xFFu) : -1;
}

void hal_uart_tx(uint8_t c) {
    while ((UART_TXDATA & FULL_OR_EMPTY) != 0u) {
    }
    UART_TXDATA = c;
}
