/* Full speed from the internal oscillator on STM32F4/F7 (RM0390, RM0385: RCC, PWR, FLASH), with over-drive where the
 * chip has it (HAL_OVERDRIVE): no crystal and no solder bridge is assumed.  HSI 16 MHz / 8 * HAL_PLL_N / 2; AHB = CPU,
 * APB1 = CPU/4, APB2 = CPU/2. */
#include "caches.h"

#define RCC(offset) HAL_REG(0x40023800u + (offset))
#define PWR_CR      HAL_REG(0x40007000u)
#define PWR_CSR     HAL_REG(0x40007004u)
#define FLASH_ACR   HAL_REG(0x40023C00u)

static void wait_for(volatile uint32_t *reg, uint32_t mask, uint32_t value) {
    while ((*reg & mask) != value) {
    }
}

void hal_clock_init(void) {
    RCC(0x40u) |= 1u << 28; /* PWREN */
    (void)RCC(0x40u);
    PWR_CR |= 3u << 14; /* voltage scale 1 */
    RCC(0x00u) |= 1u;   /* HSION */
    wait_for(&RCC(0x00u), 2u, 2u);
    RCC(0x04u) = (RCC(0x04u) & 0xF0000000u) | 8u | (HAL_PLL_N << 6) | (8u << 24); /* M = 8, N, P = 2, Q = 8, HSI */
    RCC(0x00u) |= 1u << 24;                                                       /* PLLON */
#ifdef HAL_OVERDRIVE
    PWR_CR |= 1u << 16; /* ODEN */
    wait_for(&PWR_CSR, 1u << 16, 1u << 16);
    PWR_CR |= 1u << 17; /* ODSWEN */
    wait_for(&PWR_CSR, 1u << 17, 1u << 17);
#endif
    wait_for(&RCC(0x00u), 1u << 25, 1u << 25);
    FLASH_ACR = HAL_FLASH_ACR; /* wait states, prefetch, flash caches */
    wait_for(&FLASH_ACR, 0xFu, HAL_FLASH_ACR & 0xFu);
    RCC(0x08u) = (5u << 10) | (4u << 13) | 2u; /* PPRE1 = /4, PPRE2 = /2, SW = PLL */
    wait_for(&RCC(0x08u), 0xCu, 8u);
#ifdef HAL_CACHES
    hal_caches_on();
#endif
}
