/* Flash of STM32L4+ (RM0432: FLASH): words of 64 bits with a code of their own (ECC), pages of 4 KB in two banks or of
 * 8 KB in one, as the option bytes say.  8 KB are erased at once either way, 90 us a word and 22 ms a page.
 *
 * Where a word cannot be corrected, reading it raises the NMI.  That is expected here: the handler makes a note of it
 * and the read reports it.  The note lies in a bit that the hardware leaves to software, for a driver owns no RAM. */
#define HAL_FLASH_WORD 8u
#define HAL_FLASH_UNIT 8192u
#include "flash_mapped.h"

#define FLASH(offset) HAL_REG(0x40022000u + (offset))
#define ACR           FLASH(0x00u)
#define KEYR          FLASH(0x08u)
#define SR            FLASH(0x10u)
#define CR            FLASH(0x14u)
#define ECCR          FLASH(0x18u)
#define OPTR          FLASH(0x20u)
#define DEMCR         HAL_REG(0xE000EDFCu)

#define SR_ERRORS   0xC3FAu /* OPERR, PROGERR ... FASTERR, RDERR, OPTVERR; cleared by writing 1 */
#define SR_BUSY     (1u << 16)
#define CR_PG       (1u << 0)
#define CR_PER      (1u << 1)
#define CR_BKER     (1u << 11)
#define CR_STRT     (1u << 16)
#define CR_LOCK     (1u << 31)
#define ACR_DCEN    (1u << 10)
#define ACR_DCRST   (1u << 12)
#define OPTR_BFB2   (1u << 20) /* starts from bank 2: the banks may have changed places */
#define OPTR_DBANK  (1u << 22)
#define ECCR_FAILED ((1u << 31) | (1u << 29)) /* ECCD, ECCD2: cleared by writing 1 */
#define ECCR_FLAGS  (0xFu << 28)
#define ECCR_READING                                                                                                   \
    (1u << 24) /* ECCIE: the interrupt of the flash is never enabled, so the bit is free: a read runs */
#define DEMCR_FAILED  (1u << 19) /* MON_REQ, a semaphore bit for software */
#define FLASH_BASE    0x08000000u
#define PAGES_OF_BANK 256u

void NMI_Handler(void);

void NMI_Handler(void) {
    const uint32_t state = ECCR;
    if ((state & ECCR_FAILED) == 0u || (state & ECCR_READING) == 0u) hal_fault(0u, state);
    ECCR = ECCR_FLAGS | ECCR_READING;
    DEMCR |= DEMCR_FAILED;
}

static void drop_data_cache(void) {
    ACR &= ~ACR_DCEN;
    ACR |= ACR_DCRST;
    ACR &= ~ACR_DCRST;
}

static int wait(void) {
    __asm__ volatile("dsb" ::: "memory");
    while ((SR & SR_BUSY) != 0u) {
    }
    return (SR & SR_ERRORS) == 0u ? 0 : -1;
}

static void begin(uint32_t what) {
    (void)wait();
    if ((CR & CR_LOCK) != 0u) {
        KEYR = 0x45670123u;
        KEYR = 0xCDEF89ABu;
    }
    SR = SR_ERRORS;
    drop_data_cache(); /* and off while the flash is written */
    CR = what;
}

static int end(void) {
    const int status = wait();
    CR = CR_LOCK;
    ACR |= ACR_DCEN;
    return status;
}

static int stm32_read(const mcu_flash *flash, uint32_t address, void *data, uint32_t bytes) {
    (void)flash;
    drop_data_cache(); /* so that every word comes from the memory, with its code */
    DEMCR &= ~DEMCR_FAILED;
    ECCR = ECCR_FLAGS | ECCR_READING;
    hal_flash_copy(address, data, bytes);
    __asm__ volatile("dsb\n isb" ::: "memory");
    ECCR = ECCR_FLAGS;
    ACR |= ACR_DCEN;
    return (DEMCR & DEMCR_FAILED) == 0u ? 0 : -1;
}

static int stm32_program(const mcu_flash *flash, uint32_t address, const void *word) {
    (void)flash;
    begin(CR_PG);
    hal_flash_put(address, word);
    return end();
}

static int erase_page(uint32_t page, uint32_t bank) {
    begin(CR_PER | (page << 3) | (bank != 0u ? CR_BKER : 0u));
    CR |= CR_STRT;
    return end();
}

static int stm32_erase(const mcu_flash *flash, uint32_t address) {
    const uint32_t offset = address - FLASH_BASE;
    (void)flash;
    if ((OPTR & OPTR_BFB2) != 0u) return -1; /* never erase what may be the program */
    if ((OPTR & OPTR_DBANK) == 0u) return erase_page(offset / 8192u, 0u);
    for (uint32_t page = offset / 4096u; page < offset / 4096u + 2u; page++) {
        if (erase_page(page % PAGES_OF_BANK, page / PAGES_OF_BANK) != 0) return -1;
    }
    return 0;
}

HAL_FLASH_DEFINE(stm32_read, stm32_program, stm32_erase)
