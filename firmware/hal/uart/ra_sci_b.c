/* Serial interface SCI_B of Renesas RA8, polled, without FIFO (user's manual R01UH0994, SCI; pins: I/O Ports).  Base
 * clock is an eighth of a bit (ABCS, BGDM): bit rate = clock / 8 / (BRR + 1). */
#include "hal_port.h"

#define SCI(offset)    HAL_REG(HAL_UART_BASE + (offset))
#define SCI_RDR        HAL_REG8(HAL_UART_BASE + 0x00u)
#define SCI_TDR        HAL_REG8(HAL_UART_BASE + 0x04u)
#define SCI_CCR0       SCI(0x08u)
#define SCI_CCR2       SCI(0x10u)
#define SCI_CCR3       SCI(0x14u)
#define SCI_CSR        SCI(0x48u)
#define SCI_CFCLR      SCI(0x68u)
#define MSTPCRB        HAL_REG(0x40203004u)
#define PWPRS          HAL_REG8(0x40400D14u)
#define PFS(port, pin) HAL_REG(0x40400800u + 0x40u * (port) + 4u * (pin))

#define CSR_RDRF   (1u << 31)
#define CSR_TDRE   (1u << 29)
#define CSR_ERRORS ((1u << 28) | (1u << 27) | (1u << 24)) /* framing, parity, overrun */

static void pin(uint32_t port, uint32_t number) {
    PFS(port, number) = 1u << 10;                               /* middle drive */
    PFS(port, number) = (HAL_UART_FUNCTION << 24) | (1u << 10); /* the function before the switch to it */
    PFS(port, number) = (HAL_UART_FUNCTION << 24) | (1u << 16) | (1u << 10);
}

void hal_uart_init(void) {
    MSTPCRB &= ~(1u << HAL_UART_STOP_BIT);
    (void)MSTPCRB;
    PWPRS = 0u;
    PWPRS = 1u << 6; /* pin functions may be written */
    SCI_CCR0 = 0u;
    SCI_CCR3 = 0x1203u; /* 8 bits, least significant first, asynchronous */
    SCI_CCR2 = 0xFF000004u | (((HAL_UART_CLOCK + 4u * HAL_UART_BAUD) / (8u * HAL_UART_BAUD) - 1u) << 8) | (3u << 4);
    pin(HAL_UART_TX_PORT, HAL_UART_TX_PIN);
    pin(HAL_UART_RX_PORT, HAL_UART_RX_PIN);
    PWPRS = 0u;
    PWPRS = 1u << 7;
    SCI_CCR0 = (1u << 4) | 1u; /* TE, RE */
}

int hal_uart_rx(void) {
    const uint32_t status = SCI_CSR;
    if ((status & CSR_ERRORS) != 0u) {
        SCI_CFCLR = status & CSR_ERRORS; /* or reception stops for ever */
    }
    return (status & CSR_RDRF) != 0u ? (int)SCI_RDR : -1; /* reading clears the flag */
}

void hal_uart_tx(uint8_t c) {
    while ((SCI_CSR & CSR_TDRE) == 0u) {
    }
    SCI_TDR = c;
}
