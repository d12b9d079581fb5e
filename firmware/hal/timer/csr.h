/* Control and status registers of RISC-V.  The instructions are an extension of their own (Zicsr) since 2019; compilers
 * choose their libraries by the architecture's name, often without it, so it is named here. */
#ifndef MCU_HAL_CSR_H
#define MCU_HAL_CSR_H

#include "hal_port.h"

#define CSR_ASM(instruction) ".option push\n .option arch, +zicsr\n " instruction "\n .option pop"

#define CSR_READ(name, value)  __asm__ volatile(CSR_ASM("csrr %0, " name) : "=r"(value)::"memory")
#define CSR_WRITE(name, value) __asm__ volatile(CSR_ASM("csrw " name ", %0")::"r"((uint32_t)(value)) : "memory")

#endif
