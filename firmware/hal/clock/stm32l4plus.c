/* 120 MHz from the internal 16 MHz oscillator on STM32L4+ (RM0432: PWR, RCC, FLASH): no crystal is assumed.  HSI16 / 4
 * * 60 / 2; AHB = APB1 = APB2 = CPU.  Range 1 boost; above 80 MHz the AHB prescaler goes through 2 (RM0432, 5.1.8). */
#include "hal_port.h"

#define RCC(offset) HAL_REG(0x40021000u + (offset))
#define PWR_CR1     HAL_REG(0x40007000u)
#define PWR_CR2     HAL_REG(0x40007004u)
#define PWR_SR2     HAL_REG(0x40007014u)
#define PWR_CR5     HAL_REG(0x40007080u)
#define FLASH_ACR   HAL_REG(0x40022000u)

static void wait_for(volatile uint32_t *reg, uint32_t mask, uint32_t value) {
    while ((*reg & mask) != value) {
    }
}

void hal_clock_init(void) {
    RCC(0x58u) |= 1u << 28; /* PWREN */
    (void)RCC(0x58u);
    PWR_CR1 = (PWR_CR1 & ~(3u << 9)) | (1u << 9); /* range 1 */
    wait_for(&PWR_SR2, 1u << 10, 0u);             /* VOSF */
    PWR_CR5 &= ~(1u << 8);                        /* R1MODE: boost */
    PWR_CR2 |= 1u << 9;                           /* IOSV: port G has a supply of its own */
    FLASH_ACR = 0x705u;                           /* 5 wait states, prefetch, both caches */
    wait_for(&FLASH_ACR, 0xFu, 5u);
    RCC(0x00u) |= 1u << 8; /* HSION */
    wait_for(&RCC(0x00u), 1u << 10, 1u << 10);
    RCC(0x0Cu) = (1u << 24) | (60u << 8) | (3u << 4) | 2u; /* PLLREN, R = 2, N = 60, M = 4, HSI16 */
    RCC(0x00u) |= 1u << 24;                                /* PLLON */
    wait_for(&RCC(0x00u), 1u << 25, 1u << 25);
    RCC(0x08u) = (8u << 4) | 3u; /* HPRE = /2, SW = PLL */
    wait_for(&RCC(0x08u), 0xCu, 0xCu);
    for (volatile uint32_t i = 0; i < 100u; i++) { /* at least 1 us at half speed */
    }
    RCC(0x08u) = 3u;
}
