/* GPIO and clock of the serial line on STM32 (RCC, GPIO).  Addresses are those of STM32F4 and STM32F7 (RM0390, RM0385)
 * unless the manifest gives others: HAL_RCC_BASE, HAL_GPIO_BASE, HAL_GPIO_ENR (offset of the ports' clock enables). */
#ifndef MCU_HAL_STM32_PINS_H
#define MCU_HAL_STM32_PINS_H

#include "hal_port.h"

#ifndef HAL_RCC_BASE
#define HAL_RCC_BASE  0x40023800u
#define HAL_GPIO_BASE 0x40020000u
#define HAL_GPIO_ENR  0x30u
#endif

#define RCC_GPIOENR            HAL_REG(HAL_RCC_BASE + HAL_GPIO_ENR)
#define GPIO_REG(port, offset) HAL_REG(HAL_GPIO_BASE + 0x400u * (port) + (offset))

/* Alternate function `af` with pull-up, medium speed. */
static void stm32_pin(uint32_t port, uint32_t pin, uint32_t af) {
    RCC_GPIOENR |= 1u << port;
    (void)RCC_GPIOENR; /* two cycles until the clock runs (errata) */
    const uint32_t nibble = 4u * (pin & 7u), afr = pin < 8u ? 0x20u : 0x24u;
    GPIO_REG(port, afr) = (GPIO_REG(port, afr) & ~(0xFu << nibble)) | (af << nibble);
    GPIO_REG(port, 0x0Cu) = (GPIO_REG(port, 0x0Cu) & ~(3u << (2u * pin))) | (1u << (2u * pin));
    GPIO_REG(port, 0x08u) |= 1u << (2u * pin);
    GPIO_REG(port, 0x00u) = (GPIO_REG(port, 0x00u) & ~(3u << (2u * pin))) | (2u << (2u * pin));
}

static void stm32_uart_pins(void) {
    HAL_REG(HAL_RCC_BASE + HAL_UART_ENR) |= 1u << HAL_UART_ENBIT;
    (void)HAL_REG(HAL_RCC_BASE + HAL_UART_ENR);
    stm32_pin(HAL_UART_TX_PORT, HAL_UART_TX_PIN, HAL_UART_AF);
    stm32_pin(HAL_UART_RX_PORT, HAL_UART_RX_PIN, HAL_UART_AF);
}

#endif
