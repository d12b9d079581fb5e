"""Fused plans on the host: cut at random, compiled with sanitizers, and compared with the same network layer by layer.

AddressSanitizer guards every byte of the arena that a running layer has no business with, in segments too.
"""

from __future__ import annotations

import functools
import os
import random
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import mcu_gen.ops  # noqa: F401  registers the operators
from fusion.networks import Network
from mcu_gen.emit.network import network_files
from mcu_gen.graph import DType, Graph
from mcu_gen.kernels import select
from mcu_gen.plan.assemble import assemble
from mcu_gen.plan.axes import End
from mcu_gen.plan.fusion import cuts
from mcu_gen.plan.liveness import program
from mcu_gen.plan.planner import _plan, make_plan
from mcu_gen.plan.segment import Family, Option
from mcu_gen.plan.stretch import Stretch
from mcu_gen.plan.types import Plan
from mcu_gen.targets import Target
from support.three_way import CFLAGS, COMPILE_S, RUN_S, SANITIZE, compiler

HOST = Target("host")
_NO_LIMIT = 1 << 40

_MAIN = """
#include <stdint.h>
#include <stdio.h>
#include <string.h>
static uint8_t staging[1u << 20];
{declarations}
static int take(FILE *in, void *to, unsigned bytes) {{
    return fread(to, 1, bytes, in) == bytes ? 0 : -1;
}}
{runs}
int main(int argc, char **argv) {{
    FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
    int status = argc < 3;
{calls}
    return fclose(out) != 0 ? 9 : status;
}}
"""

#: Rows are pushed one, two, three ... at a time.
_PUSH = """    if (take(in, staging, {bytes}u) != 0) return 1;
    for (unsigned row = 0, turn = 1; row < {rows}u; turn++) {{
        const unsigned count = turn < {rows}u - row ? turn : {rows}u - row;
        uint8_t few[{bytes}u];
        memcpy(few, staging + row * {row_bytes}u, count * {row_bytes}u);
        if ({net}_push_rows(few, count) != 0) return 2;
        memset(few, 0xa5, sizeof(few));
        row += count;
    }}
    if ({net}_push_rows(staging, 1u) == 0) return 3; /* one row too many is refused */
"""


def layer_wise(graph: Graph) -> Plan:
    """The plan in which every operator runs as a whole."""
    return make_plan(graph, HOST, fuse=False)


def cut_at_random(graph: Graph, rng: random.Random) -> Plan | None:
    """A plan with segments at random places, each cut in a random way: rows, tiles, patches, the input streamed or not.

    None where no operators of the graph can be fused.
    """
    prog = program(graph, [select(node, HOST) for node in graph.nodes()], HOST)
    stretch = Stretch(graph, prog, HOST, range(len(prog.tasks)))
    chosen: list[tuple[Family, Option]] = []
    position = 0
    while position < len(stretch):
        found = _segment_at_random(stretch, position, rng)
        if found is None:
            position += 1
        else:
            chosen.append(found)
            position = found[1].last + 1
    return _plan(graph, HOST, prog, assemble(stretch, chosen), None) if chosen else None


def _segment_at_random(stretch: Stretch, position: int, rng: random.Random) -> tuple[Family, Option] | None:
    ends = [e for last in range(position, len(stretch)) if (e := End.at(stretch, last)).first <= last]
    rng.shuffle(ends)
    for end in ends[:4]:
        cut, rows, columns = rng.choice(list(cuts(end)))
        family = Family(end, cut, rows, columns)
        options = [o for o in family.options(stream=True, whole=True, ceiling=_NO_LIMIT) if o.first >= position]
        if options:
            option = rng.choice(options)
            return family, family.option(option.first, option.streamed, rng.choice([None, _NO_LIMIT]))
    return None


@dataclass(frozen=True)
class Run:
    """A plan and the samples to run, each an array per graph input."""

    net: str
    plan: Plan
    samples: Sequence[Sequence[np.ndarray]]


def _run_function(run: Run) -> str:
    graph, net, streamed = run.plan.graph, run.net, run.plan.streamed
    body = ""
    for index, name in enumerate(graph.inputs):
        t = graph.tensors[name]
        if name == streamed:
            body += _PUSH.format(net=net, bytes=t.bytes, rows=t.shape[1], row_bytes=t.bytes // t.shape[1])
        else:
            body += f"    if (take(in, {net}_input({index}), {t.bytes}u) != 0) return 4;\n"
    body += f"    if ({net}_invoke() != 0) return 5;\n"
    for index, name in enumerate(graph.outputs):
        count = graph.tensors[name].bytes
        body += f"    if (fwrite({net}_output({index}), 1, {count}u, out) != {count}u) return 6;\n"
    return f"static int run_{net}(FILE *in, FILE *out) {{\n{body}    return 0;\n}}\n"


def _write_sources(folder: Path, runs: Sequence[Run]) -> list[Path]:
    """The C files of all networks, relative to ``folder``."""
    sources = []
    for run in runs:
        for name, text in network_files(run.plan, run.net).items():
            path = folder / run.net / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            sources += [path.relative_to(folder)] if name.endswith(".c") else []
    return sources


def _compile(folder: Path, source: Path) -> str:
    """Compiles one file to an object beside it; returns what the compiler said if it failed."""
    net = source.parts[0]
    flags = [*CFLAGS, *SANITIZE, f"-D{net.upper()}_POISON", f"-I{net}/include", f"-I{net}/src"]
    command = [*compiler(), *flags, "-c", str(source), "-o", str(source.with_suffix(".o"))]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=COMPILE_S)
    return "" if done.returncode == 0 else f"{source}: {done.stderr[-2000:]}"


def run_on_host(folder: Path, runs: Sequence[Run]) -> list[list[list[np.ndarray]]]:
    """Compiles all networks into one program with sanitizers and runs it: per run, per sample, the outputs.

    Raises:
        AssertionError: a network does not compile or run, with what the compiler or the sanitizer said.
    """
    sources = _write_sources(folder, runs)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        messages = [m for m in pool.map(functools.partial(_compile, folder), sources) if m]
    assert not messages, messages[0]
    declarations, calls = [], []
    for run in runs:
        declarations.append(f'#include "{run.net}/include/{run.net}.h"')
        calls.append(f'    fprintf(stderr, "@{run.net}\\n");\n    {run.net}_reset();')
        calls += [f"    if (status == 0) status = run_{run.net}(in, out);"] * len(run.samples)
    text = _MAIN.format(
        declarations="\n".join(declarations), runs="\n".join(map(_run_function, runs)), calls="\n".join(calls)
    )
    (folder / "main.c").write_text(text)
    (folder / "objects.txt").write_text("\n".join(str(s.with_suffix(".o")) for s in sources))
    program = folder / "program"
    link = ["cc", "-O0", *SANITIZE, "main.c", "@objects.txt", "-lm", "-o", str(program)]
    subprocess.run(link, check=True, timeout=COMPILE_S, cwd=folder)
    (folder / "in.bin").write_bytes(b"".join(a.tobytes() for run in runs for s in run.samples for a in s))
    done = subprocess.run(
        [str(program), "in.bin", "out.bin"], capture_output=True, text=True, timeout=RUN_S, cwd=folder,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
    )  # fmt: skip
    assert done.returncode == 0, f"status {done.returncode}: {done.stderr[done.stderr.rindex('@') :][:1500]}"
    return _outputs(runs, (folder / "out.bin").read_bytes())


def _outputs(runs: Sequence[Run], data: bytes) -> list[list[list[np.ndarray]]]:
    found, at = [], 0
    for run in runs:
        per_run = []
        for _ in run.samples:
            arrays = []
            for name in run.plan.graph.outputs:
                t = run.plan.graph.tensors[name]
                arrays.append(np.frombuffer(data, t.dtype.numpy, t.elements, at).reshape(t.shape))
                at += t.bytes
            per_run.append(arrays)
        found.append(per_run)
    assert at == len(data)
    return found


def residual_network(dtype: str = "int8") -> Graph:
    """Odd sizes, asymmetric paddings, residual additions, branches with different strides, a pool."""
    n = Network(DType(dtype), seed=5, name="residual")
    x = n.window("conv2d", n.input("image", 37, 29, 3), 8, kh=5, kw=4, sh=2, sw=1)
    y = n.conv(n.depthwise(n.conv(x, 24), 3), 8)
    x = n.add(x, n.depthwise(y, 5))
    x = n.add(n.conv(x, 12, 1, 2), n.conv(n.depthwise(x, 3, 2), 12))
    x = n.window("max_pool2d", x, kh=3, kw=2, sh=2, sw=2)
    return n.outputs(n.conv(x, 6))


#: Ways to cut a segment: rows kept at full width, several columns of tiles, everything recomputed, the input streamed.
FORMS = ("rows", "tiles", "patches", "streamed", "streamed tiles")


def forced(graph: Graph, target: Target, form: str) -> Plan:
    """A plan whose first segment begins at the first operator and is cut as ``form`` says, in tiles of odd sizes."""
    prog = program(graph, [select(node, target) for node in graph.nodes()], target)
    stretch = Stretch(graph, prog, target, range(len(prog.tasks)))
    stream = form.startswith("streamed")
    for last in reversed(range(len(stretch))):
        end = End.at(stretch, last)
        for cut, rows, columns in cuts(end) if end.first <= last else ():
            wide = columns.count > 1
            if cut.keep == (form == "patches") or wide != (form in ("tiles", "patches", "streamed tiles")):
                continue
            if rows.count < 3 or (wide and columns.count < 3):
                continue
            family = Family(end, cut, rows, columns)
            for option in family.options(stream=stream, whole=not stream, ceiling=_NO_LIMIT):
                if option.first == 0 and (option.streamed is not None) == stream:
                    return _plan(graph, target, prog, assemble(stretch, [(family, option)]), None)
    raise AssertionError(f"no segment of {graph.name} can be cut into {form}")
