"""Trains many small networks in one program, on this machine or on an emulated core; compares them by their bits.

The program prints a line per network: hashes of its losses, of its predictions, and of its weights at the end.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mcu_gen.plan.types import Plan
from mcu_gen.targets import Target, project_files
from support.emulated import firmware_command, link_and_run
from support.three_way import CFLAGS, COMPILE_S, RUN_S, compile_units, compiler, write_library

#: Bytes: a network is one unit here, and the compiler makes one large frame of many kernels.
STACK = 4096

_HEADER = """\
#ifndef TRAINING_CASE_H
#define TRAINING_CASE_H
#include <stdint.h>
typedef struct {
    void (*reset)(void);
    int (*step)(const void *, const void *, float *);
    const void *(*output)(unsigned);
    void *(*weights)(unsigned);
    uint32_t steps, sample_bytes, label_bytes, output_bytes, count;
    const uint32_t *weight_bytes; /* [count] */
    const uint8_t *data;          /* per step: sample, label */
} training_case;
#endif
"""

_MAIN = """\
#include <string.h>
#include "training_case.h"
#ifdef ON_HOST
#include <stdio.h>
#define PUT(c) putchar(c)
#else
#include "hal.h"
#define PUT(c) hal_putc((uint8_t)(c))
#endif
%(declarations)s
static const training_case *const cases[] = {%(names)s};
static _Alignas(16) uint8_t sample[%(sample)d], label[%(label)d];

/* FNV-1a */
static uint32_t hashed(uint32_t hash, const void *data, uint32_t n) {
    const uint8_t *bytes = data;
    for (uint32_t i = 0; i < n; i++) {
        hash = (hash ^ bytes[i]) * 16777619u;
    }
    return hash;
}
static void put_hash(uint32_t hash) {
    for (int shift = 28; shift >= 0; shift -= 4) {
        PUT("0123456789abcdef"[(hash >> shift) & 15u]);
    }
    PUT(' ');
}
int main(void) {
#ifndef ON_HOST
    hal_init();
#endif
    for (uint32_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        const training_case *t = cases[n];
        const uint8_t *data = t->data;
        uint32_t losses = 2166136261u, outputs = 2166136261u, weights = 2166136261u;
        t->reset();
        for (uint32_t s = 0; s < t->steps; s++) {
            float loss;
            memcpy(sample, data, t->sample_bytes);
            memcpy(label, data + t->sample_bytes, t->label_bytes);
            data += t->sample_bytes + t->label_bytes;
            const int skipped = t->step(sample, label, &loss);
            losses = hashed(losses, &loss, sizeof loss);
            losses = hashed(losses, &skipped, sizeof skipped);
            outputs = hashed(outputs, t->output(0), t->output_bytes);
        }
        for (uint32_t i = 0; i < t->count; i++) {
            weights = hashed(weights, t->weights(i), t->weight_bytes[i]);
        }
        put_hash(losses);
        put_hash(outputs);
        put_hash(weights);
        PUT('\\n');
    }
#ifndef ON_HOST
    hal_exit(0);
#endif
    return 0;
}
"""


@dataclass(frozen=True)
class TrainingCase:
    """A network to train, as it is planned, and its samples and labels."""

    title: str
    plan: Plan
    samples: Sequence[tuple[np.ndarray, np.ndarray]]


def _table(net: str, case: TrainingCase) -> str:
    graph = case.plan.graph
    assert graph.training is not None
    x, y = graph.tensors[graph.inference_inputs[0]], graph.tensors[graph.inference_outputs[0]]
    label = graph.tensors[graph.training.label]
    data = b"".join(a.tobytes() + b.tobytes() for a, b in case.samples)
    sizes = [graph.tensors[n].bytes for n in graph.training.trained]
    return f"""
#include "{net}.h"
#include "../../training_case.h"
static const uint8_t {net}_data[] = {{{",".join(map(str, data))}}};
static const uint32_t {net}_sizes[] = {{{",".join(map(str, sizes))}}};
extern const training_case {net}_case;
const training_case {net}_case = {{
    {net}_reset, {net}_train_step, {net}_output, {net}_weights,
    {len(case.samples)}, {x.bytes}, {label.bytes}, {y.bytes}, {len(sizes)}, {net}_sizes, {net}_data
}};
"""


def _write(folder: Path, cases: Sequence[TrainingCase]) -> list[Path]:
    """The program's sources; returns the units of the networks, main.c lies beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "training_case.h").write_text(_HEADER)
    units = []
    for i, case in enumerate(cases):
        unit = write_library(folder / "cases", case.plan, f"n{i}")
        unit.write_text(unit.read_text() + _table(f"n{i}", case))
        units.append(unit)
    names = [f"n{i}_case" for i in range(len(cases))]
    largest = [max(len(s[part].tobytes()) for c in cases for s in c.samples) for part in (0, 1)]
    main = _MAIN % {
        "declarations": "\n".join(f"extern const training_case {n};" for n in names),
        "names": ", ".join(f"&{n}" for n in names),
        "sample": largest[0],
        "label": largest[1],
    }
    (folder / "main.c").write_text(main)
    return units


def _lines(cases: Sequence[TrainingCase], ran: subprocess.CompletedProcess[str]) -> dict[str, str]:
    lines = ran.stdout.split("\n")[: len(cases)]
    assert len(lines) == len(cases), f"{ran.stdout[-300:]} {ran.stderr[-300:]}"
    return {c.title: line.strip() for c, line in zip(cases, lines, strict=True)}


def train_here(folder: Path, cases: Sequence[TrainingCase]) -> dict[str, str]:
    """Hashes (losses, predictions, weights) by title, from this machine's compiler."""
    units = _write(folder, cases)
    command = [*compiler(), "-O2", *CFLAGS]
    messages = compile_units(command, units)
    assert not messages, messages
    objects = [str(u.with_suffix(".o")) for u in units]
    program = folder / "program"
    build = [*compiler(), "-std=c11", "-DON_HOST", f"-I{folder}", str(folder / "main.c"), *objects, "-lm"]
    subprocess.run([*build, "-o", str(program)], check=True, timeout=COMPILE_S)
    ran = subprocess.run([str(program)], capture_output=True, text=True, timeout=RUN_S, check=True)
    return _lines(cases, ran)


def train_on_core(folder: Path, cases: Sequence[TrainingCase], target: Target) -> dict[str, str]:
    """The same from an emulated core."""
    files = project_files(target, net="test", origin=["Training tests."], stack_bytes=STACK)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    units = _write(folder, cases)
    messages = compile_units(firmware_command(target), units)
    assert not messages, messages
    return _lines(cases, link_and_run(folder, [u.with_suffix(".o") for u in units], target))
