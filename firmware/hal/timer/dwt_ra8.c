/* CPU cycles on Renesas RA8: DWT for the fine count, GPT0 for the coarse one.  GPT0 counts PCLKD (a quarter of the CPU
 * clock) divided by 1024, which makes units of 4096 cycles: 44 bits in all (user's manual R01UH0994, GPT). */
#include "dwt.h"

#define MSTPCRE      HAL_REG(0x40203010u)
#define GPT0(offset) HAL_REG(0x40322000u + (offset))

void hal_timer_init(void) {
    MSTPCRE &= ~(1u << 31);
    (void)MSTPCRE;
    GPT0(0x00u) = 0xA500u;          /* GTWP: registers may be written */
    GPT0(0x2Cu) = 10u << 23;        /* GTCR: saw wave, / 1024, stopped */
    GPT0(0x64u) = 0xFFFFFFFFu;      /* GTPR */
    GPT0(0x48u) = 0u;               /* GTCNT */
    GPT0(0x2Cu) = (10u << 23) | 1u; /* CST */
    dwt_start();
}

uint64_t hal_ticks(void) {
    const uint32_t fine = DWT_CYCCNT;
    return hal_wide_count(fine, ((uint64_t)GPT0(0x48u) + 1u) << 12);
}
