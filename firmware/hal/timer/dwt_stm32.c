/* CPU cycles on STM32: DWT for the fine count, TIM2 for the coarse one.  TIM2 runs at half the CPU clock on F4, F7 and
 * H7 (timers get twice the clock of a divided APB1), so a prescaler of 32768 gives units of 65536 cycles: 48 bits in
 * all. HAL_TIM2_ENR is the address of its clock enable, HAL_TIM2_PRESCALER another prescaler for the same unit. */
#include "dwt.h"

#ifndef HAL_TIM2_ENR
#define HAL_TIM2_ENR 0x40023840u
#endif
#ifndef HAL_TIM2_PRESCALER
#define HAL_TIM2_PRESCALER 32768u
#endif

#define RCC_APB1ENR  HAL_REG(HAL_TIM2_ENR)
#define TIM2(offset) HAL_REG(0x40000000u + (offset))

void hal_timer_init(void) {
    RCC_APB1ENR |= 1u;
    (void)RCC_APB1ENR;
    TIM2(0x28u) = HAL_TIM2_PRESCALER - 1u; /* PSC */
    TIM2(0x2Cu) = 0xFFFFFFFFu;             /* ARR */
    TIM2(0x14u) = 1u;                      /* EGR.UG: takes the prescaler over and clears the counter */
    TIM2(0x00u) = 1u;                      /* CR1.CEN */
    dwt_start();
}

uint64_t hal_ticks(void) {
    const uint32_t fine = DWT_CYCCNT;
    return hal_wide_count(fine, ((uint64_t)TIM2(0x24u) + 1u) << 16);
}
