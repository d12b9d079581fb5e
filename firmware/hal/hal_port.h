/* What the parts of a HAL share.  Private to firmware/hal; the rest of the firmware includes hal.h only. */
#ifndef MCU_HAL_PORT_H
#define MCU_HAL_PORT_H

#include <stdint.h>

#include "hal.h"
#include "hal_board.h" /* generated from the board's manifest */

/* A device register of 32 bits. */
#define HAL_REG(address) (*(volatile uint32_t *)(uintptr_t)(address))
/* A device register of 16 bits. */
#define HAL_REG16(address) (*(volatile uint16_t *)(uintptr_t)(address))
/* A device register of 8 bits. */
#define HAL_REG8(address) (*(volatile uint8_t *)(uintptr_t)(address))

/* The first bytes of the reserved stack hold what a C library keeps per thread (errno), so that the library owns no
 * RAM outside the stack.  They are never painted.  The linker script checks that it is enough. */
#define HAL_TLS_BYTES 16u

/* Exit code of a program that ended in a CPU fault. */
#define HAL_EXIT_FAULT 70

/* Each board links one implementation of these. */
void hal_clock_init(void);
void hal_uart_init(void);
int hal_uart_rx(void); /* -1 when no byte has arrived */
void hal_uart_tx(uint8_t c);
void hal_timer_init(void);
/* Ends the program because of a CPU fault; pc and cause are for the message where there is a place for one. */
void hal_fault(uint32_t pc, uint32_t cause);

#endif
