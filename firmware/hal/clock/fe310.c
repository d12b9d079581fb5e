/* 320 MHz from the 16 MHz crystal of the board on SiFive FE310-G002 (manual, chapter PRCI): / 2 * 80 / 2.  The code
 * runs from serial flash, whose clock is a fraction of this one (HAL_QSPI_DIVIDER: / 2 / (divider + 1)). */
#include "hal_port.h"

#define HFROSCCFG    HAL_REG(0x10008000u)
#define HFXOSCCFG    HAL_REG(0x10008004u)
#define PLLCFG       HAL_REG(0x10008008u)
#define PLLOUTDIV    HAL_REG(0x1000800Cu)
#define QSPI0_SCKDIV HAL_REG(0x10014000u)

#define PLL_SELECT  (1u << 16)
#define PLL_CRYSTAL (1u << 17)
#define PLL_BYPASS  (1u << 18)
#define PLL_LOCK    (1u << 31)

void hal_clock_init(void) {
    HFROSCCFG |= 1u << 30; /* the ring oscillator carries the core while the PLL changes */
    while ((HFROSCCFG & (1u << 31)) == 0u) {
    }
    PLLCFG &= ~PLL_SELECT;
    QSPI0_SCKDIV = HAL_QSPI_DIVIDER;
    HFXOSCCFG = 1u << 30;
    while ((HFXOSCCFG & (1u << 31)) == 0u) {
    }
    const uint32_t plan = PLL_CRYSTAL | (1u << 10) | (39u << 4) | 1u; /* Q = 2, F = 2 * 40, R = 2 */
    PLLCFG = plan | PLL_BYPASS;
    PLLCFG = plan;
    PLLOUTDIV = 1u << 8;                            /* not divided again */
    for (volatile uint32_t i = 0; i < 2000u; i++) { /* the lock flag means nothing for the first 100 us */
    }
    while ((PLLCFG & PLL_LOCK) == 0u) {
    }
    PLLCFG = plan | PLL_SELECT;
    HFROSCCFG &= ~(1u << 30);
}
