"""Runs many small networks on one emulated core: one firmware with inputs and expected outputs in flash.

The firmware is the board's own start-up, UART and linker script around the generated networks; it prints a line per
network.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from mcu_gen.kernels import Kernel, kernels
from mcu_gen.plan.planner import make_plan
from mcu_gen.resources import resource_dir
from mcu_gen.targets import Target, project_files
from support.three_way import COMPILE_S, Build, Prepared, compile_units, prefer, write_unit

#: Deadline of the emulator, seconds.
EMULATOR_S = 120

_HEADER = """
#ifndef TEST_CASE_H
#define TEST_CASE_H
#include <stdint.h>
typedef struct {
    void *(*input)(unsigned);
    const void *(*output)(unsigned);
    int (*invoke)(void);
    void (*reset)(void);
    uint16_t inputs, outputs, samples;
    const uint32_t *bytes;    /* of the inputs, then of the outputs */
    const uint8_t *is_float;  /* per output */
    const uint8_t *data;      /* per sample: inputs, then expected outputs */
    double tolerance;         /* relative L2 distance of float outputs */
} test_case;
#endif
"""

_MAIN = """
#include <string.h>
#include "hal.h"
#include "test_case.h"
{declarations}
static const test_case *const cases[] = {{ {names} }};
static void put(const char *text) {{
    while (*text != '\\0') {{
        hal_putc((uint8_t)*text++);
    }}
}}
static void put_number(uint32_t n) {{
    if (n >= 10u) {{
        put_number(n / 10u);
    }}
    hal_putc((uint8_t)('0' + n % 10u));
}}
static int close_enough(const uint8_t *want, const uint8_t *got, uint32_t bytes, double tolerance) {{
    double norm = 0.0, distance = 0.0;
    for (uint32_t i = 0; i < bytes; i += 4u) {{
        float a, b;
        memcpy(&a, want + i, 4);
        memcpy(&b, got + i, 4);
        norm += (double)a * (double)a;
        distance += ((double)a - (double)b) * ((double)a - (double)b);
    }}
    return distance <= tolerance * tolerance * norm + 1e-60;
}}
int main(void) {{
    hal_init();
    for (uint32_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {{
        const test_case *t = cases[n];
        const uint8_t *data = t->data;
        uint32_t wrong = 0;
        t->reset();
        for (unsigned s = 0; s < t->samples; s++) {{
            for (unsigned i = 0; i < t->inputs; i++) {{
                memcpy(t->input(i), data, t->bytes[i]);
                data += t->bytes[i];
            }}
            wrong += t->invoke() != 0 ? 1u : 0u;
            for (unsigned o = 0; o < t->outputs; o++) {{
                const uint32_t bytes = t->bytes[t->inputs + o];
                const uint8_t *got = t->output(o);
                const int same = t->is_float[o] != 0u ? close_enough(data, got, bytes, t->tolerance)
                                                      : memcmp(data, got, bytes) == 0;
                wrong += same ? 0u : 1u;
                data += bytes;
            }}
        }}
        put(wrong == 0u ? "PASS " : "FAIL ");
        put_number(n);
        put("\\n");
    }}
    put("DONE\\n");
    hal_exit(0);
    return 0;
}}
"""


def _flags() -> ModuleType:
    """Compiler settings as the local PlatformIO platform computes them."""
    path = resource_dir("templates") / "project" / "platform" / "builder" / "flags.py"
    spec = importlib.util.spec_from_file_location("mcu_gen_builder_flags", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def firmware_command(target: Target, kind: str = "") -> list[str]:
    """Compiler and flags of C code for a board, of the toolchain ``kind`` or of the first that is installed."""
    flags = _flags()
    toolchain = flags.choose(target.settings, kind)
    compiler: str = toolchain.programs["CC"]
    return [compiler, *toolchain.flags, *flags.LANGUAGE, *flags.COMMON, "-Werror", "-g0", "-O2"]


def toolchain_command(target: Target, kind: str) -> list[str] | None:
    """Compiler and machine flags of one toolchain of a board; None when it is not installed."""
    toolchain = _flags().choose(target.settings, kind)
    return None if toolchain.missing else [toolchain.programs["CC"], *toolchain.flags]


def available(target: Target) -> list[Kernel]:
    """The kernels that claim the target."""
    return [k for k in kernels() if set(k.features) <= set(target.features)]


def core_builds(ready: Sequence[Prepared], target: Target) -> list[Build]:
    """Every case as it is planned for the target, and once more for each kernel that none of these plans uses."""
    builds: list[Build] = []
    used: set[str] = set()

    def add(p: Prepared, kernel: Kernel | None) -> None:
        plan = make_plan(p.graph, target) if kernel is None else make_plan(p.graph, target, select=prefer(kernel))
        steps = {s.kernel.name for s in plan.steps}
        if kernel is None or kernel.name in steps:
            used.update(steps)
            title = p.case.name if kernel is None else f"{p.case.name} [{kernel.name}]"
            builds.append(Build(title, f"n{len(builds)}", p, plan))

    for p in ready:
        add(p, None)
    for kernel in available(target):
        for p in ready:
            accepts = any(n.type in kernel.ops and kernel.rejects(n, target) is None for n in p.graph.nodes())
            if kernel.name not in used and accepts:
                add(p, kernel)
    return builds


def _bytes(build: Build) -> Iterator[bytes]:
    for sample, outputs in zip(build.prepared.samples, build.prepared.expected, strict=True):
        yield from (np.ascontiguousarray(a).tobytes() for a in (*sample, *outputs))


def _table(build: Build) -> str:
    """The C of one case: data in flash and the entry that main() walks."""
    n, graph = build.net, build.plan.graph
    tensors = [graph.tensors[t] for t in (*graph.inputs, *graph.outputs)]
    data = ",".join(map(str, b"".join(_bytes(build))))
    floats = ",".join(str(int(graph.tensors[t].dtype.is_float)) for t in graph.outputs)
    return f"""
#include "{n}.h"
#include "../../test_case.h"
static const uint8_t {n}_test_data[] = {{{data}}};
static const uint32_t {n}_test_bytes[] = {{{",".join(str(t.bytes) for t in tensors)}}};
static const uint8_t {n}_test_floats[] = {{{floats}}};
extern const test_case {n}_test;
const test_case {n}_test = {{
    {n}_input, {n}_output, {n}_invoke, {n}_reset, {len(graph.inputs)}, {len(graph.outputs)},
    {len(build.prepared.samples)}, {n}_test_bytes, {n}_test_floats, {n}_test_data, {build.prepared.case.tolerance!r}
}};
"""


def _call(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_S)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr[-3000:]}"


def link_and_run(
    folder: Path,
    objects: Sequence[Path],
    target: Target,
    sources: Sequence[Path] = (),
    options: Sequence[str] = (),
    *,
    kind: str = "",
) -> subprocess.CompletedProcess[str]:
    """Builds ``folder/main.c``, ``sources`` and the board's files, links them with ``objects``, runs the program.

    ``kind`` names the toolchain, else it is the first that is installed.
    """
    flags = _flags()
    toolchain = flags.choose(target.settings, kind)
    command = firmware_command(target, kind)
    hal = folder / "lib" / "mcu_runtime"
    includes = [f"-I{folder}", f"-I{hal}", f"-I{hal / 'hal'}", *options]
    objects = list(objects)
    for source in [folder / "main.c", *sources, *sorted((hal / "hal").glob("*.[cS]"))]:
        language = [] if source.suffix == ".c" else ["-x", "assembler-with-cpp"]
        flags_of = command if source.suffix == ".c" else [f for f in command if f not in flags.LANGUAGE]
        objects.append(folder / f"{source.stem}.o")
        _call([*flags_of, *includes, *language, "-c", str(source), "-o", str(objects[-1])])
    (folder / "objects.txt").write_text("\n".join(map(str, objects)))
    elf = folder / "firmware.elf"
    script = f"-T{folder / 'ld' / (target.name + '.ld')}"
    linker = [toolchain.programs["LINK"], *toolchain.link, "-Wl,--gc-sections", script]
    _call([*linker, f"@{folder / 'objects.txt'}", *toolchain.settings["libs"], "-o", str(elf)])
    qemu = target.emulators["qemu"]
    return subprocess.run(
        [qemu["program"], *qemu["args"], "-serial", "stdio", qemu["image_option"], str(elf)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=EMULATOR_S,
    )


def with_vector_length(target: Target, bits: int) -> Target:
    """``target`` emulated with vectors of another length (RISC-V V)."""
    qemu = dict(target.emulators["qemu"])
    qemu["args"] = [re.sub(r"\bvlen=\d+", f"vlen={bits}", argument) for argument in qemu["args"]]
    assert qemu["args"] != target.emulators["qemu"]["args"] or bits == 128
    return dataclasses.replace(target, emulators={**target.emulators, "qemu": qemu})


def run_program(
    folder: Path,
    main: str,
    target: Target,
    sources: Sequence[Path] = (),
    options: Sequence[str] = (),
    *,
    learns: bool = False,
    kind: str = "",
) -> str:
    """What the program ``main`` (C, with ``hal_putc``) writes on an emulated core.

    ``sources`` are compiled with it; ``options`` are of the compiler; ``learns``: with the board's flash for weights;
    ``kind`` is the toolchain.
    """
    for name, text in project_files(target, net="test", origin=["A test of verbs."], learns=learns).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "main.c").write_text(main)
    return link_and_run(folder, [], target, sources, options, kind=kind).stdout


def run_on_core(folder: Path, builds: Sequence[Build], target: Target, *, kind: str = "") -> dict[str, str]:
    """Builds (with the toolchain ``kind``, or the first that is installed) and runs the firmware; failures by title."""
    command = firmware_command(target, kind)
    for name, text in project_files(target, net="test", origin=["Operator tests."]).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "test_case.h").write_text(_HEADER)
    units = []
    for b in builds:
        unit = write_unit(folder / "cases", b, poison=False)
        unit.write_text(unit.read_text() + _table(b))
        units.append(unit)
    messages = compile_units(command, units)
    if messages:
        titles = {u: b.title for u, b in zip(units, builds, strict=True)}
        return {titles[u]: f"compiler: {text}" for u, text in messages.items()}
    names = [f"{b.net}_test" for b in builds]
    declarations = "\n".join(f"extern const test_case {n};" for n in names)
    main = _MAIN.format(declarations=declarations, names=", ".join(f"&{n}" for n in names))
    (folder / "main.c").write_text(main)
    ran = link_and_run(folder, [u.with_suffix(".o") for u in units], target, kind=kind)
    lines = ran.stdout.split("\n")
    said = {int(line[5:]): line[:4] for line in lines if line[:5] in ("PASS ", "FAIL ") and line[5:].isdigit()}
    failures = {
        b.title: f"{said.get(i, 'no answer')} on {target.name}" for i, b in enumerate(builds) if said.get(i) != "PASS"
    }
    if "DONE" not in lines and not failures:
        failures["firmware"] = f"did not end: {ran.stdout[-300:]} {ran.stderr[-300:]}"
    return failures
