/* Arm CMSDK APB UART (MPS2, MPS3), polled.  Registers: Cortex-M System Design Kit TRM, section 4.3. */
#include "hal_port.h"

#define UART_DATA    HAL_REG(HAL_UART_BASE + 0x00u)
#define UART_STATE   HAL_REG(HAL_UART_BASE + 0x04u)
#define UART_CTRL    HAL_REG(HAL_UART_BASE + 0x08u)
#define UART_BAUDDIV HAL_REG(HAL_UART_BASE + 0x10u)

#define STATE_TX_FULL 1u
#define STATE_RX_FULL 2u

void hal_uart_init(void) {
    UART_BAUDDIV = HAL_UART_BAUDDIV;
    UART_CTRL = 3u; /* transmitter and receiver on, no interrupts */
    /* Drops what came before; QEMU looks at its end of the line only now, and without this a second later. */
    (void)UART_DATA;
}

int hal_uart_rx(void) {
    return (UART_STATE & STATE_RX_FULL) != 0u ? (int)(UART_DATA & 0xFFu) : -1;
}

void hal_uart_tx(uint8_t c) {
    while ((UART_STATE & STATE_TX_FULL) != 0u) {
    }
    UART_DATA = c;
}
