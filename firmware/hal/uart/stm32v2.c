/* USART of STM32F0/F3/F7/L4/H7 (status register ISR), polled: RM0385 chapter 31.  HAL_UART_LOW_POWER: an LPUART, whose
 * divider has 8 bits more (RM0432, chapter LPUART). */
#include "stm32_pins.h"

#define USART_CR1 HAL_REG(HAL_UART_BASE + 0x00u)
#define USART_BRR HAL_REG(HAL_UART_BASE + 0x0Cu)
#define USART_ISR HAL_REG(HAL_UART_BASE + 0x1Cu)
#define USART_ICR HAL_REG(HAL_UART_BASE + 0x20u)
#define USART_RDR HAL_REG(HAL_UART_BASE + 0x24u)
#define USART_TDR HAL_REG(HAL_UART_BASE + 0x28u)

#ifdef HAL_UART_LOW_POWER
#define USART_STEPS 256u
#else
#define USART_STEPS 1u
#endif

void hal_uart_init(void) {
    stm32_uart_pins();
    USART_BRR = (uint32_t)((USART_STEPS * (uint64_t)HAL_UART_CLOCK + HAL_UART_BAUD / 2u) / HAL_UART_BAUD);
    USART_CR1 = (1u << 3) | (1u << 2) | 1u; /* TE, RE, UE */
}

int hal_uart_rx(void) {
    const uint32_t status = USART_ISR;
    if ((status & (1u << 3)) != 0u) {
        USART_ICR = 1u << 3; /* overrun: clear it, or reception stops for ever */
    }
    return (status & (1u << 5)) != 0u ? (int)(USART_RDR & 0xFFu) : -1;
}

void hal_uart_tx(uint8_t c) {
    while ((USART_ISR & (1u << 7)) == 0u) {
    }
    USART_TDR = c;
}
