/* 400 MHz from the internal 64 MHz oscillator on STM32H743 (RM0433: PWR, RCC, FLASH): no crystal is assumed, and every
 * silicon revision reaches it (480 MHz needs revision V).  HSI / 4 * 50 / 2 at voltage scale 1; AHB = CPU/2, APBs =
 * CPU/4. */
#include "caches.h"

#define RCC(offset) HAL_REG(0x58024400u + (offset))
#define PWR(offset) HAL_REG(0x58024800u + (offset))
#define FLASH_ACR   HAL_REG(0x52002000u)

static void wait_for(volatile uint32_t *reg, uint32_t mask, uint32_t value) {
    while ((*reg & mask) != value) {
    }
}

void hal_clock_init(void) {
    PWR(0x0Cu) = (PWR(0x0Cu) & ~7u) | 2u; /* CR3: the LDO supplies the core */
    wait_for(&PWR(0x04u), 1u << 13, 1u << 13);
    PWR(0x18u) |= 3u << 14; /* D3CR: voltage scale 1 */
    wait_for(&PWR(0x18u), 1u << 13, 1u << 13);
    RCC(0x00u) |= 1u; /* HSION, not divided */
    wait_for(&RCC(0x00u), 4u, 4u);
    RCC(0x28u) = (RCC(0x28u) & ~0x3F3u) | (4u << 4);                /* PLLCKSELR: HSI / 4 = 16 MHz */
    RCC(0x2Cu) = (RCC(0x2Cu) & ~0x7000Fu) | (7u << 16) | (3u << 2); /* PLLCFGR: outputs on, 8 to 16 MHz, wide VCO */
    RCC(0x30u) = (1u << 24) | (3u << 16) | (1u << 9) | 49u;         /* PLL1DIVR: R = 2, Q = 4, P = 2, N = 50 */
    RCC(0x00u) |= 1u << 24;                                         /* PLL1ON */
    wait_for(&RCC(0x00u), 1u << 25, 1u << 25);
    FLASH_ACR = 0x22u; /* 2 wait states for AXI at 200 MHz */
    wait_for(&FLASH_ACR, 0x3Fu, 0x22u);
    RCC(0x18u) = (4u << 4) | 8u;        /* D1CFGR: AHB / 2, APB3 / 2 */
    RCC(0x1Cu) = (4u << 8) | (4u << 4); /* D2CFGR: APB1, APB2 / 2 */
    RCC(0x20u) = 4u << 4;               /* D3CFGR: APB4 / 2 */
    RCC(0x10u) = (RCC(0x10u) & ~7u) | 3u;
    wait_for(&RCC(0x10u), 0x38u, 0x18u);
    RCC(0xDCu) |= 7u << 29; /* AHB2ENR: SRAM1, SRAM2, SRAM3 */
    hal_caches_on();
}
