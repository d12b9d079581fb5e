/* Flash of STM32F4 and F7 (RM0390, RM0385: FLASH): words of 32 bits without a code of their own, programmed at 2.7 V or
 * more.  HAL_STORE_SECTOR is the number of the first sector of the store, HAL_FLASH_UNIT the bytes of each of them. The
 * CPU stands still while the flash is written, 16 us a word and 1 to 2 s a sector. */
#define HAL_FLASH_WORD 4u
#include "flash_cache.h"
#include "flash_mapped.h"

#define FLASH(offset) HAL_REG(0x40023C00u + (offset))
#define ACR           FLASH(0x00u)
#define KEYR          FLASH(0x04u)
#define SR            FLASH(0x0Cu)
#define CR            FLASH(0x10u)

#define SR_ERRORS 0xF2u /* OPERR, WRPERR, PGAERR, PGPERR, PGSERR or ERSERR; cleared by writing 1 */
#define SR_BUSY   (1u << 16)
#define CR_PG     (1u << 0)
#define CR_SER    (1u << 1)
#define CR_32BIT  (2u << 8)
#define CR_STRT   (1u << 16)
#define CR_LOCK   (1u << 31)
#define ACR_DCEN  (1u << 10) /* data cache of the F4 in front of its flash; the F7 has none there */
#define ACR_DCRST (1u << 12)

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
    CR = CR_32BIT | what;
}

static int end(void) {
    const int status = wait();
    CR = CR_LOCK;
    if ((ACR & ACR_DCEN) != 0u) {
        ACR &= ~ACR_DCEN;
        ACR |= ACR_DCRST;
        ACR &= ~ACR_DCRST;
        ACR |= ACR_DCEN;
    }
    return status;
}

static int stm32_read(const mcu_flash *flash, uint32_t address, void *data, uint32_t bytes) {
    (void)flash;
    hal_flash_drop_lines(address, bytes);
    hal_flash_copy(address, data, bytes);
    return 0;
}

static int stm32_program(const mcu_flash *flash, uint32_t address, const void *word) {
    (void)flash;
    begin(CR_PG);
    hal_flash_put(address, word);
    return end();
}

static int stm32_erase(const mcu_flash *flash, uint32_t address) {
    (void)flash;
    begin(CR_SER | ((HAL_STORE_SECTOR + (address - HAL_STORE_BASE) / HAL_FLASH_UNIT) << 3));
    CR |= CR_STRT;
    return end();
}

HAL_FLASH_DEFINE(stm32_read, stm32_program, stm32_erase)
