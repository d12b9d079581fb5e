"""Exact instructions of single layers: many of them in one firmware, counted by the emulator between two hooks."""

from __future__ import annotations

import dataclasses
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mcu_gen.graph import Graph, Node
from mcu_gen.kernels import Kernel
from mcu_gen.plan.planner import make_plan
from mcu_gen.plan.types import Plan
from mcu_gen.targets import Target, project_files
from support.emulated import firmware_command, link_and_run
from support.three_way import COMPILE_S, write_library

#: Bytes of inputs, outputs and constants of the layers that are measured in one network, and networks in one firmware.
MOST_BYTES, MOST_NETWORKS = 1 << 20, 24


@dataclass(frozen=True)
class Sample:
    """A layer that was run: its kernel and its exact instructions, the call from the network included."""

    node: Node
    kernel: Kernel
    instructions: int


_MAIN = """
#include <stddef.h>
#include "hal.h"
{declarations}
static uint32_t state = 1u;
static uint64_t last;
static void put(uint32_t n, char end) {{
    char digits[10];
    int i = 0;
    do {{
        digits[i++] = (char)('0' + n % 10u);
    }} while ((n /= 10u) != 0u);
    while (i > 0) {{
        hal_putc((uint8_t)digits[--i]);
    }}
    hal_putc((uint8_t)end);
}}
static void fill(uint8_t *to, uint32_t bytes, int is_float) {{
    if (is_float != 0) {{
        float *x = (float *)(void *)to;
        for (uint32_t i = 0; i < bytes / 4u; i++) {{
            state = state * 1664525u + 1013904223u;
            x[i] = (float)(state >> 8) * 0x1p-23f - 1.0f;
        }}
    }} else {{
        for (uint32_t i = 0; i < bytes; i++) {{
            state = state * 1664525u + 1013904223u;
            to[i] = (uint8_t)(state >> 24);
        }}
    }}
}}
static inline void clear(uint8_t *to, uint32_t bytes, int is_float) {{
    (void)is_float;
    while (bytes-- > 0u) {{
        *to++ = 0u;
    }}
}}
static void done(void) {{
    put((uint32_t)(hal_ticks() - last), '\\n');
    last = hal_ticks();
}}
{hooks}
int main(void) {{
    hal_init();
    (void)clear; /* no network may need it */
    (void)fill;
{runs}
    hal_exit(0);
    return 0;
}}
"""


def _run(plan: Plan, net: str) -> str:
    """Statements that run a network once; one that trains, a step of it, whose label is class 0 or any numbers."""
    graph = plan.graph
    fills = [
        f"    fill({net}_input({i}), {graph.tensors[n].bytes}u, {int(graph.tensors[n].dtype.is_float)});"
        for i, n in enumerate(graph.inference_inputs)
    ]
    call = f"    (void){net}_invoke();"
    if graph.training is not None:
        label = graph.tensors[graph.training.label]
        fills.append(f"    {'fill' if label.dtype.is_float else 'clear'}({net}_label(), {label.bytes}u, 1);")
        call = f"    (void){net}_train_step(NULL, NULL, NULL);"
    return "\n".join([f"    {net}_reset();", *fills, "    last = hal_ticks();", call])


def _declared(plan: Plan, net: str) -> str:
    training = f" void *{net}_label(void); int {net}_train_step(const void *, const void *, float *);"
    return (
        f"void *{net}_input(unsigned); int {net}_invoke(void); void {net}_reset(void);"
        + training * (plan.graph.training is not None)
    )  # fmt: skip


def counting(target: Target) -> Target:
    """``target`` with the emulator's instruction counter switched on."""
    qemu = dict(target.emulators["qemu"])
    qemu["args"] = [*qemu["args"], *qemu["icount"]]
    return dataclasses.replace(target, emulators={**target.emulators, "qemu": qemu})


def count_plans(plans: Sequence[Plan], target: Target, folder: Path) -> list[list[int]]:
    """Instructions of every step of every plan (none of them fused), as ``profile`` counts them, from one firmware."""
    command = [*firmware_command(target), "-Wno-error"]
    for name, text in project_files(target, net="count", origin=["Counts layers."]).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    nets = [f"n{i}" for i in range(len(plans))]
    for plan, net in zip(plans, nets, strict=True):
        write_library(folder, plan, net)
    # file by file, as in a project: a kernel does not see the parameters of its call
    sources = {net: sorted((folder / net / "src").glob("*.c")) for net in nets}
    jobs = [(net, source) for net in nets for source in sources[net] if source.name != f"{net}_model.c"]

    def compiled(job: tuple[str, Path]) -> Path:
        net, source = job
        includes = [f"-I{folder / net / 'include'}", f"-I{folder / net / 'src'}", f"-I{folder / 'lib' / 'mcu_runtime'}"]
        made = source.with_suffix(".o")
        call = [*command, f"-D{net.upper()}_HOOKS", *includes, "-c", str(source), "-o", str(made)]
        done = subprocess.run(call, capture_output=True, text=True, timeout=COMPILE_S)
        assert done.returncode == 0, done.stderr[-3000:]
        return made

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compiled, jobs))
    hook = "void {n}_hook(uint16_t layer, const void *output, uint32_t bytes)"
    ends = "{ (void)layer; (void)output; (void)bytes; done(); }"
    main = _MAIN.format(
        declarations="\n".join(_declared(p, n) for p, n in zip(plans, nets, strict=True)),
        hooks="\n".join(f"{hook.format(n=n)};\n{hook.format(n=n)} {ends}" for n in nets),
        runs="\n".join(_run(p, n) for p, n in zip(plans, nets, strict=True)),
    )
    (folder / "main.c").write_text(main)
    ran = link_and_run(folder, objects, counting(target))
    said = [int(line) for line in ran.stdout.split("\n") if line.strip().isdigit()]
    wanted = sum(len(p.steps) for p in plans)
    assert len(said) == wanted, f"{len(said)} numbers, not {wanted}: {ran.stdout[-300:]} {ran.stderr[-300:]}"
    numbers = iter(said)
    return [[target.instructions(next(numbers)) for _ in p.steps] for p in plans]


def _gathered(nodes: Sequence[Node]) -> Graph:
    """A graph in which the nodes stand side by side, each with inputs of its own."""
    graph = Graph("gathered")
    for number, node in enumerate(nodes):
        names: dict[str, str] = {}
        for tensor in (*node.inputs, *node.outputs):
            if tensor is not None and tensor.name not in names:
                names[tensor.name] = f"t{number}.{len(names)}"
                graph.add_tensor(tensor.replace(name=names[tensor.name]))
        inputs = tuple(None if t is None else names[t.name] for t in node.inputs)
        outputs = tuple(names[t.name] for t in node.outputs)
        graph.ops.append(node.op.replace(name=f"node{number}", inputs=inputs, outputs=outputs))
        for tensor in node.inputs:
            if tensor is None or tensor.is_constant or tensor.variable or names[tensor.name] in graph.inputs:
                continue
            graph.inputs.append(names[tensor.name])
        graph.outputs += [names[t.name] for t in node.outputs if not t.variable]
    return graph


def _bytes(node: Node) -> int:
    return sum(t.bytes for t in (*node.inputs, *node.outputs) if t is not None)


def _parts(nodes: Sequence[Node]) -> Iterator[list[Node]]:
    """The nodes in groups that fit into one network."""
    part: list[Node] = []
    for node in nodes:
        if part and sum(map(_bytes, part)) + _bytes(node) > MOST_BYTES:
            yield part
            part = []
        part.append(node)
    if part:
        yield part


def _always(kernel: Kernel, node: Node, target: Target) -> Kernel:
    del node, target
    return kernel


Batch = list[tuple[Kernel, Plan]]


def batches(jobs: Sequence[tuple[Kernel, Sequence[Node]]], target: Target) -> Iterator[Batch]:
    """Kernels with plans of the nodes that they shall compute, in the order of the jobs; a firmware at a time."""
    plans = [
        (kernel, make_plan(_gathered(part), target, fuse=False, select=partial(_always, kernel)))
        for kernel, nodes in jobs
        for part in _parts(nodes)
    ]
    while plans:
        taken: Batch = []
        room = MOST_BYTES
        while plans and len(taken) < MOST_NETWORKS and (not taken or room > 0):
            taken.append(plans.pop(0))
            room -= taken[-1][1].arena_bytes + taken[-1][1].constant_bytes
        yield taken


def count_layers(jobs: Sequence[tuple[Kernel, Sequence[Node]]], target: Target) -> list[Sample]:
    """Instructions of every node with the kernel beside it, which accepts all of them; in the order of the jobs."""
    found: list[Sample] = []
    for batch in batches(jobs, target):
        with tempfile.TemporaryDirectory(prefix="mcu-gen-count-") as folder:
            counts = count_plans([p for _, p in batch], target, Path(folder))
        for (kernel, plan), spent in zip(batch, counts, strict=True):
            samples = [Sample(step.node, kernel, n) for step, n in zip(plan.steps, spent, strict=True)]
            found += sorted(samples, key=lambda sample: int(sample.node.name.removeprefix("node")))
    return found
