/* Start-up of RV32 cores in machine mode: gp, tp, FPU/vector state, .data and .bss. */
    .option arch, +zicsr /* compilers that know no Zicsr still choose their libraries by the name without it */
    .section .vectors, "ax"
    .globl Reset_Handler
    .type Reset_Handler, @function
Reset_Handler:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    la sp, __stack_top
    la tp, __stack_base /* the C library's thread-local errno lives in the first bytes of the stack */
    la t0, trap
    csrw mtvec, t0
    li t0, 0x6600 /* mstatus.FS and mstatus.VS: dirty = on */
    csrs mstatus, t0
#ifdef __riscv_flen
    csrw fcsr, zero
#endif
    csrr t0, mhartid
    bnez t0, park
    la t0, __data_load
    la t1, __data_start
    la t2, __data_end
    j 2f
1:  lw t3, 0(t0)
    sw t3, 0(t1)
    addi t0, t0, 4
    addi t1, t1, 4
2:  bltu t1, t2, 1b
    la t0, __bss_start
    la t1, __bss_end
    j 4f
3:  sw zero, 0(t0)
    addi t0, t0, 4
4:  bltu t0, t1, 3b
    sw zero, 0(tp)
    sw zero, 4(tp)
    sw zero, 8(tp)
    sw zero, 12(tp)
    call main
    call hal_exit
park:
    wfi
    j park

    .balign 4
trap:
    la sp, __stack_top /* the stack may be what broke */
    csrr a0, mepc
    csrr a1, mcause
    call hal_fault
    j park
    .size Reset_Handler, . - Reset_Handler
