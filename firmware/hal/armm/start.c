/* Start-up of Armv7-M and Armv8-M cores: vectors, FPU/MVE, .data and .bss. */
#include <stddef.h>

#include "hal_port.h"

extern uint32_t __stack_base[], __stack_top[];
extern uint32_t __data_load[], __data_start[], __data_end[], __bss_start[], __bss_end[];

int main(void);
void Reset_Handler(void);
void Fault_Handler(void);
void NMI_Handler(void);
int *__errno(void);
extern const signed char __fdlib_version;

#define SCB_VTOR  0xE000ED08u
#define SCB_CCR   0xE000ED14u
#define SCB_CFSR  0xE000ED28u
#define SCB_CPACR 0xE000ED88u

/* newlib asks for errno through this; its own version drags in 100 bytes of .data. */
int *__errno(void) {
    return (int *)(void *)__stack_base;
}

/* newlib's error mode of <math.h>: IEEE (-1), that is, results only.  Its own definition is a variable in .data. */
const signed char __fdlib_version = -1;

/* The C library's copy and clear loops are not used before .data is there, so these are spelled out; volatile keeps
 * the compiler from turning them into calls. */
static void init_memory(void) {
    const uint32_t *from = __data_load;
    for (volatile uint32_t *to = __data_start; to < (volatile uint32_t *)__data_end; to++) {
        *to = *from++;
    }
    for (volatile uint32_t *to = __bss_start; to < (volatile uint32_t *)__bss_end; to++) {
        *to = 0u;
    }
    for (uint32_t i = 0; i < HAL_TLS_BYTES / sizeof(uint32_t); i++) {
        ((volatile uint32_t *)__stack_base)[i] = 0u;
    }
}

/* Runs with the FPU on: the compiler may use its registers anywhere. */
__attribute__((noinline, noreturn, used)) static void run(void) {
    init_memory();
    hal_exit(main());
    for (;;) {
    }
}

typedef void (*vector)(void);

__attribute__((section(".vectors"), used)) const vector hal_vectors[16] = {
    (vector)(uintptr_t)__stack_top, /* initial stack pointer */
    Reset_Handler,
    NMI_Handler,
    Fault_Handler, /* HardFault */
    Fault_Handler, /* MemManage */
    Fault_Handler, /* BusFault */
    Fault_Handler, /* UsageFault */
    Fault_Handler, /* SecureFault */
    NULL,
    NULL,
    NULL,
    Fault_Handler, /* SVCall */
    Fault_Handler, /* DebugMonitor */
    NULL,
    Fault_Handler, /* PendSV */
    Fault_Handler, /* SysTick */
};

__attribute__((noreturn)) void Reset_Handler(void) {
    HAL_REG(SCB_VTOR) = (uint32_t)(uintptr_t)hal_vectors; /* a boot loader may have left another table */
    HAL_REG(SCB_CPACR) |= 0xFu << 20;                     /* FPU (and MVE) for privileged and unprivileged code */
#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE
    HAL_REG(SCB_CCR) |= 1u << 19; /* LOB: low-overhead loops */
#endif
    __asm__ volatile("dsb\n isb" ::: "memory");
#if defined(__ARM_ARCH_8M_MAIN__) || defined(__ARM_ARCH_8_1M_MAIN__)
    __asm__ volatile("msr msplim, %0" ::"r"((uint32_t)(uintptr_t)__stack_base + HAL_TLS_BYTES));
#endif
    run();
}

/* Called from the assembly below. */
void hal_fault_frame(const uint32_t *frame);
__attribute__((used)) void hal_fault_frame(const uint32_t *frame) {
    hal_fault(frame[6], HAL_REG(SCB_CFSR));
}

/* The stack may be what broke: report from a fresh one, with the old frame only read. */
__attribute__((naked)) void Fault_Handler(void) {
    __asm__ volatile("mrs r0, msp\n"
#if defined(__ARM_ARCH_8M_MAIN__) || defined(__ARM_ARCH_8_1M_MAIN__)
                     "movs r1, #0\n"
                     "msr msplim, r1\n"
#endif
                     "ldr r1, =__stack_top\n"
                     "msr msp, r1\n"
                     "b hal_fault_frame\n"
                     ".ltorg\n");
}

/* A fault, too, unless a driver of the flash expects it. */
__attribute__((weak, alias("Fault_Handler"))) void NMI_Handler(void);
