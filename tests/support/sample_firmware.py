"""A small firmware project for tests of boards and builds: the board's own files and a hand-written "network".

The program reports over the serial line, one record per line: ``L n ticks`` for a loop of 2n instructions, ``H`` the
harness region and its first bytes, ``S`` the stack used and reserved; then it ends with status 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mcu_gen.targets import Target, project_files

ARENA = 4096

_HEADER = f"""\
#ifndef TINY_H
#define TINY_H
#define TINY_ARENA_BYTES {ARENA}
int tiny_invoke(void);
void tiny_reset(void);
void *tiny_input(unsigned index);
const void *tiny_output(unsigned index);
#endif
"""

_NETWORK = """\
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "tiny.h"

static uint8_t tiny_arena[TINY_ARENA_BYTES] __attribute__((aligned(16)));

void tiny_reset(void) {
    memset(tiny_arena, 0, sizeof tiny_arena);
}

void *tiny_input(unsigned index) {
    return tiny_arena + 16u * index;
}

const void *tiny_output(unsigned index) {
    return tiny_arena + 16u * (index + 1u);
}

int tiny_invoke(void) {
    float x;
    for (unsigned i = 0; i < 16u; i++) {
        tiny_arena[16u + i] = (uint8_t)(2u * tiny_arena[i]);
    }
    memcpy(&x, tiny_arena, sizeof x);
    x = tanhf(x) + expf(x) + logf(x + 1.0f) + sqrtf(x);
    memcpy(tiny_arena + 32, &x, sizeof x);
    return 0;
}
"""

_MAIN = """\
#include <stdint.h>

#include "hal.h"
#include "tiny.h"

static void print(const char *text) {
    while (*text != '\\0') {
        hal_putc((uint8_t)*text++);
    }
}

static void number(uint64_t value) {
    char digits[24];
    int n = 23;
    digits[n] = '\\0';
    do {
        digits[--n] = (char)('0' + (int)(value % 10u));
        value /= 10u;
    } while (value != 0u);
    print(" ");
    print(digits + n);
}

__attribute__((noinline)) static void loop(uint32_t n) {
#if defined(__arm__)
    __asm__ volatile("1: subs %0, %0, #1\\n bne 1b" : "+r"(n)::"cc");
#elif defined(__riscv)
    __asm__ volatile("1: addi %0, %0, -1\\n bnez %0, 1b" : "+r"(n));
#else
    (void)n;
#endif
}

/* A function of its own, so that every measurement runs the same instructions. */
__attribute__((noinline)) static uint64_t measure(uint32_t n) {
    const uint64_t start = hal_ticks();
    loop(n);
    return hal_ticks() - start;
}

/* Touches `depth` bytes of stack, and a little more. */
__attribute__((noinline)) static uint32_t dig(uint32_t depth, volatile const uint8_t *above) {
    volatile uint8_t hole[64];
    hole[0] = (uint8_t)(depth + above[0]);
    const uint32_t below = depth <= sizeof hole ? 0u : dig(depth - (uint32_t)sizeof hole, hole);
    return below + hole[0];
}

static const uint32_t counts[] = {COUNTS};

int main(void) {
    uint32_t size;
    hal_init();
#ifdef FAULT
    (void)*(volatile uint32_t *)0xF0000001u;
#endif
    hal_stack_paint();
    tiny_reset();
    (void)tiny_invoke();
    for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        const uint64_t ticks = measure(counts[i]);
        print("L");
        number(counts[i]);
        number(ticks);
        print("\\n");
    }
    const uint8_t *bulk = hal_harness(&size);
    print("H");
    number((uintptr_t)bulk);
    number(size);
    for (unsigned i = 0; i < 8u && bulk; i++) {
        number(bulk[i]);
    }
    print("\\nS");
    number(hal_stack_used());
    number(hal_stack_reserved());
    (void)dig(512, (const uint8_t *)tiny_output(0));
    print("\\nS");
    number(hal_stack_used());
    number(hal_stack_reserved());
    print("\\n");
    hal_exit(3);
    return 0;
}
"""

_LIBRARY = '{"name": "tiny", "version": "1.0.0", "build": {"libLDFMode": "off"}}\n'


def write_sample(
    folder: Path, target: Target, *, counts: Sequence[int] = (1, 1000), max_ram: int | None = None, wrong: bool = False
) -> Path:
    """Write the project and return its folder.  ``wrong`` stores a wrong expected result in its test."""
    x = np.arange(16, dtype=np.uint8)
    y = (2 * x).astype(np.uint8)
    files = project_files(
        target,
        net="tiny",
        origin=("A sample.", "No model."),
        max_ram=max_ram,
        arena_bytes=ARENA,
        test_inputs=[x],
        test_outputs=[y + np.uint8(wrong)],
    )
    files |= {
        "mcu-gen.json": '{"network": "tiny"}\n',
        "lib/tiny/library.json": _LIBRARY,
        "lib/tiny/include/tiny.h": _HEADER,
        "lib/tiny/src/tiny.c": _NETWORK,
        "src/main.c": _MAIN.replace("COUNTS", ", ".join(f"{n}u" for n in counts)),
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
