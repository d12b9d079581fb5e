"""Runs small models three ways: NumPy executor, LiteRT ``BUILTIN_REF``, and the generated C under ASan and UBSan.

A table of :class:`Case` goes through at once: LiteRT runs all models in one child process, and all networks are
compiled (in parallel, through ccache where there is one) and linked into one program.  With ``POISON`` every network
stops at the first byte that a layer touches outside its own inputs, outputs and scratch.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import mcu_gen.ops  # noqa: F401  registers the operators
from mcu_gen.emit.network import network_files
from mcu_gen.frontends import load_tflite
from mcu_gen.graph import DType, Executor, Graph, Node, Tensor
from mcu_gen.kernels import Kernel, kernels, select
from mcu_gen.plan.planner import make_plan
from mcu_gen.plan.types import Plan
from mcu_gen.run.oracle import OracleError, OracleJob, run_litert_many
from mcu_gen.targets import FEATURES, Target

Arrays = Sequence[np.ndarray]

CFLAGS = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-ffp-contract=off"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

#: Deadline of one compiler call and of one run of the compiled program, seconds.
COMPILE_S, RUN_S = 120, 120


@dataclass(frozen=True)
class Case:
    """One model with the inputs to run.

    Attributes:
        name: unique in its table; what a failure names.
        build: makes the .tflite file.
        inputs: samples, each one array per graph input; None = three random samples over the whole range.
        tolerance: largest relative L2 distance of float32 outputs (integer outputs must be equal).
        quick: runs on the emulated cores too.
        oracle: LiteRT can run it; False only where LiteRT refuses what is supported here.
    """

    name: str
    build: Callable[[], bytes]
    inputs: Sequence[Arrays] | None = None
    tolerance: float = 1e-5
    quick: bool = False
    oracle: bool = True


@dataclass
class Prepared:
    """A case with its graph, samples and expected outputs (LiteRT's, the executor's where LiteRT cannot run it)."""

    case: Case
    graph: Graph
    samples: list[list[np.ndarray]]
    expected: list[list[np.ndarray]] = field(default_factory=list)
    computed: list[list[np.ndarray]] = field(default_factory=list)  # by the executor


@dataclass(frozen=True)
class Build:
    """One network to compile: a case planned with certain kernels."""

    title: str
    net: str
    prepared: Prepared
    plan: Plan


def random_samples(graph: Graph, name: str, count: int = 3) -> list[list[np.ndarray]]:
    """Samples that depend on the name only; integers cover the whole range, ends included."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return [[_random(rng, graph.tensors[n]) for n in graph.inputs] for _ in range(count)]


def _random(rng: np.random.Generator, t: Tensor) -> np.ndarray:
    dtype = t.dtype.numpy
    if t.dtype.is_float:
        return rng.normal(0.0, 2.0, t.shape).astype(dtype)
    if t.dtype is DType.BOOL:
        return rng.integers(0, 2, t.shape).astype(dtype)
    limits = np.iinfo(dtype)
    x = rng.integers(limits.min, limits.max, t.shape, dtype=dtype, endpoint=True)
    edge = rng.random(t.shape)
    return np.where(edge < 0.05, limits.min, np.where(edge > 0.95, limits.max, x)).astype(dtype)


def prepare(
    cases: Sequence[Case], rewrite: Callable[[Graph], Graph] = lambda graph: graph
) -> tuple[list[Prepared], dict[str, str]]:
    """Loads every case and computes it with the executor and with LiteRT.

    Args:
        cases: the table.
        rewrite: applied to every graph before it is executed and planned (the passes).

    Returns:
        The cases that could be run, and failures: case name -> text.
    """
    assert len({c.name for c in cases}) == len(cases), "two cases have the same name"
    ready: list[Prepared] = []
    failures: dict[str, str] = {}
    jobs: list[OracleJob] = []
    for case in cases:
        model = case.build()
        try:
            graph = rewrite(load_tflite(model, "case"))
        except Exception as error:
            failures[case.name] = f"cannot be loaded: {error}"
            continue
        samples = [list(s) for s in case.inputs] if case.inputs is not None else random_samples(graph, case.name)
        p = Prepared(case, graph, samples)
        executor = Executor(graph)
        try:
            for sample in samples:
                out = executor.run(dict(zip(graph.inputs, sample, strict=True)))
                p.computed.append([out[n] for n in graph.outputs])
        except Exception as error:
            failures[case.name] = f"executor: {type(error).__name__}: {error}"
            continue
        ready.append(p)
        jobs.append(OracleJob(model, samples, deadline_s=20.0))
    wanted = [i for i, p in enumerate(ready) if p.case.oracle]
    for i, result in zip(wanted, run_litert_many([jobs[i] for i in wanted]), strict=True):
        p = ready[i]
        if isinstance(result, OracleError):
            failures[p.case.name] = f"LiteRT: {result}"
            continue
        p.expected = result.outputs
        difference = compare(p.expected, p.computed, p.case.tolerance)
        if difference:
            failures[p.case.name] = f"executor differs from LiteRT: {difference}"
    for p in ready:
        if not p.case.oracle:
            p.expected = p.computed
    return [p for p in ready if p.expected], failures


def compare(expected: Sequence[Arrays], found: Sequence[Arrays], tolerance: float) -> str:
    """The first difference, or an empty text."""
    for s, (want_all, got_all) in enumerate(zip(expected, found, strict=True)):
        for o, (want, got) in enumerate(zip(want_all, got_all, strict=True)):
            place = f"sample {s}, output {o}"
            if want.shape != got.shape or want.dtype != got.dtype:
                return f"{place}: {got.dtype}{list(got.shape)} instead of {want.dtype}{list(want.shape)}"
            if want.dtype.kind == "f":
                finite = np.isfinite(want)
                if not np.array_equal(finite, np.isfinite(got)) or not np.array_equal(
                    want[~finite], got[~finite], equal_nan=True
                ):
                    return f"{place}: infinities or NaN differ"
                norm = float(np.linalg.norm(want[finite].astype(np.float64)))
                distance = float(np.linalg.norm(want[finite].astype(np.float64) - got[finite].astype(np.float64)))
                if distance > tolerance * norm + 1e-30:
                    return f"{place}: relative L2 distance {distance / max(norm, 1e-30):.3g}"
            elif not np.array_equal(want, got):
                at = tuple(int(i) for i in np.argwhere(want != got)[0])
                count = int((want != got).sum())
                return f"{place}: {count} of {want.size} differ, at {list(at)} {got[at]} instead of {want[at]}"
    return ""


def host_targets() -> list[Target]:
    """What the host can be planned for: no feature, and every feature whose kernels run through the scalar header."""
    known = sorted({f for k in kernels() for f in k.features if f in FEATURES})
    return [Target("host"), *(Target("host", features=frozenset({f})) for f in known)]


def host_builds(ready: Sequence[Prepared]) -> tuple[list[Build], dict[str, str]]:
    """Plans of every case: with the kernels of plain C, and again where a feature selects others."""
    builds: list[Build] = []
    failures: dict[str, str] = {}
    for p in ready:
        seen: set[tuple[str, ...]] = set()
        for target in host_targets():
            try:
                plan = make_plan(p.graph, target)
            except Exception as error:
                failures[p.case.name] = f"plan: {type(error).__name__}: {error}"
                break
            chosen = tuple(s.kernel.name for s in plan.steps)
            if chosen not in seen:
                seen.add(chosen)
                feature = "".join(f" [{f}]" for f in sorted(target.features))
                builds.append(Build(p.case.name + feature, f"n{len(builds)}", p, plan))
    return builds, failures


def _included(root: Path, source: Path | str) -> str:
    """Lines that include a source file; its static functions get the file's own names, as in a unit of its own."""
    text = (root / source).read_text()
    names = sorted(set(re.findall(r"^static\s[^;={(]*?\b([a-z]\w*)\(", text, re.MULTILINE)))
    own = [f"{Path(source).stem}_{name}" for name in names]
    before = "".join(f"#define {name} {new}\n" for name, new in zip(names, own, strict=True))
    return before + f'#include "{source}"\n' + "".join(f"#undef {name}\n" for name in names)


def write_unit(folder: Path, build: Build, *, poison: bool) -> Path:
    """The network's library in ``folder/<net>`` and one C file that includes all of it."""
    unit = write_library(folder, build.plan, build.net)
    if poison:
        unit.write_text(f"#define {build.net.upper()}_POISON\n" + unit.read_text())
    return unit


def write_library(folder: Path, plan: Plan, net: str) -> Path:
    """The library of a planned network in ``folder/<net>`` and one C file that includes all of it."""
    root = folder / net
    sources: list[str] = []
    for name, text in network_files(plan, net).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if name.endswith(".c"):
            sources.append(name)
    unit = root / "unit.c"
    unit.write_text("".join(_included(root, s) for s in sources))
    return unit


def compiler() -> list[str]:
    """The host compiler, through ccache where there is one."""
    found = shutil.which("ccache")
    return [found, "cc"] if found else ["cc"]


def compile_units(command: Sequence[str], units: Sequence[Path], jobs: int | None = None) -> dict[Path, str]:
    """Compiles every unit to ``unit.o`` beside it; returns the compiler's messages of those that fail."""

    def one(unit: Path) -> tuple[Path, str]:
        done = subprocess.run(
            [*command, "-Iinclude", "-Isrc", "-c", unit.name, "-o", "unit.o"],
            cwd=unit.parent,  # relative names only: ccache then knows a unit again in the next temporary folder
            capture_output=True,
            text=True,
            timeout=COMPILE_S,
        )
        return unit, "" if done.returncode == 0 else done.stderr[-2000:]

    with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        return {unit: message for unit, message in pool.map(one, units) if message}


_MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef struct {{
    void *(*input)(unsigned);
    const void *(*output)(unsigned);
    int (*invoke)(void);
    void (*reset)(void);
    unsigned inputs, outputs, samples;
    const unsigned *bytes; /* of the inputs, then of the outputs */
}} network;
{declarations}
static const network networks[] = {{
{rows}
}};
int main(int argc, char **argv) {{
    const unsigned first = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0u;
    FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "r+b");
    for (unsigned n = 0; n < sizeof(networks) / sizeof(networks[0]); n++) {{
        const network *net = &networks[n];
        if (n >= first) {{
            fprintf(stderr, "@%u\\n", n);
            net->reset();
        }}
        for (unsigned s = 0; s < net->samples; s++) {{
            for (unsigned i = 0; i < net->inputs; i++) {{
                if (n < first) {{
                    fseek(in, (long)net->bytes[i], SEEK_CUR);
                }} else if (fread(net->input(i), 1, net->bytes[i], in) != net->bytes[i]) {{
                    return 2;
                }}
            }}
            if (n >= first && net->invoke() != 0) {{
                return 3;
            }}
            for (unsigned o = 0; o < net->outputs; o++) {{
                const unsigned size = net->bytes[net->inputs + o];
                if (n < first) {{
                    fseek(out, (long)size, SEEK_CUR);
                }} else if (fwrite(net->output(o), 1, size, out) != size) {{
                    return 4;
                }}
            }}
        }}
        fflush(out); /* a later network may end the program */
    }}
    return fclose(out) == 0 ? 0 : 5;
}}
"""


def _main(builds: Sequence[Build]) -> str:
    declarations, rows = [], []
    for b in builds:
        graph, n = b.plan.graph, b.net
        sizes = [graph.tensors[t].bytes for t in (*graph.inputs, *graph.outputs)]
        declarations.append(
            f"void *{n}_input(unsigned); const void *{n}_output(unsigned);\n"
            f"int {n}_invoke(void); void {n}_reset(void);\n"
            f"static const unsigned {n}_bytes[] = {{{', '.join(map(str, sizes))}}};"
        )
        counts = f"{len(graph.inputs)}, {len(graph.outputs)}, {len(b.prepared.samples)}"
        rows.append(f"    {{{n}_input, {n}_output, {n}_invoke, {n}_reset, {counts}, {n}_bytes}},")
    return _MAIN.format(declarations="\n".join(declarations), rows="\n".join(rows))


def _outputs(builds: Sequence[Build], data: bytes) -> Iterator[list[list[np.ndarray]]]:
    """Cuts the program's output into arrays, network by network."""
    at = 0
    for b in builds:
        found: list[list[np.ndarray]] = []
        for _ in b.prepared.samples:
            arrays = []
            for name in b.plan.graph.outputs:
                t = b.plan.graph.tensors[name]
                arrays.append(np.frombuffer(data, t.dtype.numpy, t.elements, at).reshape(t.shape))
                at += t.bytes
            found.append(arrays)
        yield found


def run_generated_c(folder: Path, builds: Sequence[Build]) -> dict[str, str]:
    """Compiles, links and runs the networks on the host with sanitizers; failures by title."""
    failures: dict[str, str] = {}
    units = {write_unit(folder, b, poison=True): b for b in builds}
    command = [*compiler(), *CFLAGS, "-O1", *SANITIZE]
    for unit, message in compile_units(command, list(units)).items():
        failures[units.pop(unit).title] = f"compiler: {message}"
    builds = list(units.values())
    if not builds:
        return failures
    (folder / "main.c").write_text(_main(builds))
    objects = folder / "objects.txt"
    objects.write_text("\n".join(str(u.with_suffix(".o")) for u in units))
    program = folder / "program"
    subprocess.run(
        ["cc", "-O0", *SANITIZE, str(folder / "main.c"), f"@{objects}", "-lm", "-o", str(program)],
        check=True,
        timeout=COMPILE_S,
    )
    inputs = [a.tobytes() for b in builds for sample in b.prepared.samples for a in sample]
    (folder / "in.bin").write_bytes(b"".join(inputs))
    sizes = [sum(b.plan.graph.tensors[n].bytes for n in b.plan.graph.outputs) * len(b.prepared.samples) for b in builds]
    (folder / "out.bin").write_bytes(bytes(sum(sizes)))
    crashed: set[int] = set()
    first = 0
    while first < len(builds):
        done = subprocess.run(
            [str(program), str(folder / "in.bin"), str(folder / "out.bin"), str(first)],
            capture_output=True,
            text=True,
            timeout=RUN_S,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"},
        )
        if done.returncode == 0:
            break
        last = max(int(line[1:]) for line in done.stderr.splitlines() if line.startswith("@"))
        crashed.add(last)
        text = done.stderr[done.stderr.rindex(f"@{last}\n") :]
        failures[builds[last].title] = f"status {done.returncode}: {text[:1500]}"
        first = last + 1
    found = _outputs(builds, (folder / "out.bin").read_bytes())
    for i, (b, outputs) in enumerate(zip(builds, found, strict=True)):
        difference = compare(b.prepared.expected, outputs, b.prepared.case.tolerance)
        if difference and i not in crashed:
            failures[b.title] = f"generated C differs: {difference}"
    return failures


def run_three_ways(
    cases: Sequence[Case], folder: Path, rewrite: Callable[[Graph], Graph] = lambda graph: graph
) -> dict[str, str]:
    """All three ways for a table of cases; failures by name (an empty dictionary is success)."""
    ready, failures = prepare(cases, rewrite)
    builds, not_planned = host_builds(ready)
    return failures | not_planned | run_generated_c(folder, builds)


def prefer(kernel: Kernel) -> Callable[[Node, Target], Kernel]:
    """A kernel choice for :func:`make_plan`: ``kernel`` wherever it accepts the node, else the cheapest."""

    def choose(node: Node, target: Target) -> Kernel:
        accepts = node.type in kernel.ops and kernel.rejects(node, target) is None
        return kernel if accepts else select(node, target)

    return choose
