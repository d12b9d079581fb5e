/* Flash of STM32H743 (RM0433: FLASH): words of 256 bits with a code of their own (ECC), sectors of 128 KB.  The store
 * lies in bank 2, so the program in bank 1 runs on while it is written.  1 to 2 s a sector.
 *
 * Where a word cannot be corrected, reading it gives a bus fault.  That is expected here: while the read runs, faults
 * of loads are ignored (Armv7-M ARM, CCR.BFHFNMIGN with FAULTMASK set), and the flash says that there was one. */
#define HAL_FLASH_WORD 32u
#define HAL_FLASH_UNIT 0x20000u
#include "flash_cache.h"
#include "flash_mapped.h"

#define FLASH(offset) HAL_REG(0x52002000u + (offset))
#define OPTCR         FLASH(0x018u)
#define KEYR2         FLASH(0x104u)
#define CR2           FLASH(0x10Cu)
#define SR2           FLASH(0x110u)
#define CCR2          FLASH(0x114u)
#define SCB_CCR       HAL_REG(0xE000ED14u)

#define SR_QUEUE      (1u << 2)   /* QW */
#define SR_ERRORS     0x006E0000u /* WRPERR, PGSERR, STRBERR, INCERR, OPERR */
#define SR_READS      0x07800000u /* RDPERR, RDSERR, SNECCERR, DBECCERR */
#define SR_DBECCERR   (1u << 26)
#define CR_LOCK       (1u << 0)
#define CR_PG         (1u << 1)
#define CR_SER        (1u << 2)
#define CR_32BIT      (2u << 4)
#define CR_START      (1u << 7)
#define OPTCR_SWAP    (1u << 31)
#define CCR_BFHFNMIGN (1u << 8)
#define BANK2         0x08100000u

typedef char hal_store_is_in_bank_2[HAL_STORE_BASE >= BANK2 ? 1 : -1];

static int wait(void) {
    __asm__ volatile("dsb" ::: "memory");
    while ((SR2 & SR_QUEUE) != 0u) {
    }
    return (SR2 & SR_ERRORS) == 0u ? 0 : -1;
}

static void begin(uint32_t what) {
    (void)wait();
    if ((CR2 & CR_LOCK) != 0u) {
        KEYR2 = 0x45670123u;
        KEYR2 = 0xCDEF89ABu;
    }
    CCR2 = SR_ERRORS | SR_READS;
    CR2 = CR_32BIT | what;
    __asm__ volatile("dsb\n isb" ::: "memory");
}

static int end(void) {
    const int status = wait();
    CR2 = CR_32BIT;
    CR2 = CR_32BIT | CR_LOCK;
    return status;
}

static int stm32_read(const mcu_flash *flash, uint32_t address, void *data, uint32_t bytes) {
    (void)flash;
    hal_flash_drop_lines(address, bytes);
    CCR2 = SR_READS;
    __asm__ volatile("cpsid f" ::: "memory");
    SCB_CCR |= CCR_BFHFNMIGN;
    __asm__ volatile("dsb\n isb" ::: "memory");
    hal_flash_copy(address, data, bytes);
    __asm__ volatile("dsb\n isb" ::: "memory");
    SCB_CCR &= ~CCR_BFHFNMIGN;
    __asm__ volatile("dsb\n isb\n cpsie f" ::: "memory");
    const int failed = (SR2 & SR_DBECCERR) != 0u;
    CCR2 = SR_READS;
    return failed ? -1 : 0;
}

static int stm32_program(const mcu_flash *flash, uint32_t address, const void *word) {
    (void)flash;
    begin(CR_PG);
    hal_flash_put(address, word);
    return end();
}

static int stm32_erase(const mcu_flash *flash, uint32_t address) {
    (void)flash;
    if ((OPTCR & OPTCR_SWAP) != 0u) return -1; /* the banks have changed places: never erase the program */
    begin(CR_SER | ((address - BANK2) / HAL_FLASH_UNIT << 8));
    CR2 |= CR_START;
    return end();
}

HAL_FLASH_DEFINE(stm32_read, stm32_program, stm32_erase)
