/* 480 MHz from the 20 MHz crystal of the board on Renesas RA8M1 (user's manual R01UH0994, Clock Generation Circuit).
 * Crystal / 2 * 96 / 2; CPUCLK = PLL1P, ICLK and PCLKE = /2, PCLKA, PCLKD and BCLK = /4, PCLKB, PCLKC and FCLK = /8;
 * the serial interfaces get PLL1P / 4. */
#include "caches.h"

#define SYSTEM_BASE 0x4001E000u
#define SCKDIVCR    HAL_REG(SYSTEM_BASE + 0x020u)
#define SCKDIVCR2   HAL_REG8(SYSTEM_BASE + 0x024u)
#define SCKSCR      HAL_REG8(SYSTEM_BASE + 0x026u)
#define PLLCCR      HAL_REG16(SYSTEM_BASE + 0x028u)
#define PLLCR       HAL_REG8(SYSTEM_BASE + 0x02Au)
#define MOSCCR      HAL_REG8(SYSTEM_BASE + 0x032u)
#define OSCSF       HAL_REG8(SYSTEM_BASE + 0x03Cu)
#define PLLCCR2     HAL_REG16(SYSTEM_BASE + 0x04Cu)
#define SCICKDIVCR  HAL_REG8(SYSTEM_BASE + 0x054u)
#define SCICKCR     HAL_REG8(SYSTEM_BASE + 0x055u)
#define MOSCWTCR    HAL_REG8(SYSTEM_BASE + 0x0A2u)
#define PRCR        HAL_REG16(SYSTEM_BASE + 0x3FAu)
#define MOMCR       HAL_REG8(SYSTEM_BASE + 0xA50u)
#define FCACHE_FLWT HAL_REG8(0x4001C11Cu)

static void wait_for(volatile uint8_t *reg, uint8_t mask, uint8_t value) {
    while ((*reg & mask) != value) {
    }
}

/* The clock of the serial interfaces: request, change, release. */
static void serial_clock(void) {
    SCICKCR |= 0x40u;
    wait_for(&SCICKCR, 0x80u, 0x80u);
    SCICKDIVCR = 2u;      /* / 4 */
    SCICKCR = 0x40u | 5u; /* PLL1P */
    SCICKCR = 5u;
    wait_for(&SCICKCR, 0x80u, 0u);
}

void hal_clock_init(void) {
    PRCR = 0xA503u; /* clock and module-stop registers may be written */
    MOMCR = 0x06u;  /* crystal of 8 to 24 MHz */
    MOSCWTCR = 9u;
    MOSCCR = 0u;
    wait_for(&OSCSF, 1u << 3, 1u << 3);
    PLLCCR = (95u << 8) | 1u;             /* crystal / 2 * 96 */
    PLLCCR2 = (1u << 8) | (3u << 4) | 1u; /* R / 2, Q / 4, P / 2 */
    PLLCR = 0u;
    wait_for(&OSCSF, 1u << 5, 1u << 5);
    FCACHE_FLWT = 4u; /* wait states of flash at ICLK = 240 MHz; those of SRAM are on after reset */
    SCKDIVCR = 0x31122332u;
    SCKDIVCR2 = 1u; /* the CPU's own step to full speed comes when the supply has settled */
    SCKSCR = 5u;    /* PLL1P */
    for (volatile uint32_t i = 0; i < 12000u; i++) { /* more than 150 us */
    }
    SCKDIVCR2 = 0u;
    serial_clock();
    hal_caches_on();
}
