/* USART of STM32F1/F2/F4 (status register SR), polled: RM0390 chapter 25. */
#include "stm32_pins.h"

#define USART_SR  HAL_REG(HAL_UART_BASE + 0x00u)
#define USART_DR  HAL_REG(HAL_UART_BASE + 0x04u)
#define USART_BRR HAL_REG(HAL_UART_BASE + 0x08u)
#define USART_CR1 HAL_REG(HAL_UART_BASE + 0x0Cu)

void hal_uart_init(void) {
    stm32_uart_pins();
    USART_BRR = (HAL_UART_CLOCK + HAL_UART_BAUD / 2u) / HAL_UART_BAUD;
    USART_CR1 = (1u << 13) | (1u << 3) | (1u << 2); /* UE, TE, RE */
}

int hal_uart_rx(void) {
    /* Reading DR after SR also clears an overrun, so a lost byte does not block the next ones. */
    return (USART_SR & ((1u << 5) | (1u << 3))) != 0u ? (int)(USART_DR & 0xFFu) : -1;
}

void hal_uart_tx(uint8_t c) {
    while ((USART_SR & (1u << 7)) == 0u) {
    }
    USART_DR = c;
}
