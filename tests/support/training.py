"""Trains small networks in the generated C (ASan, UBSan, poisoned arena) and in the NumPy executor."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import mcu_gen.kernels
import mcu_gen.ops  # noqa: F401  registers the operators
from mcu_gen.emit.network import network_files
from mcu_gen.graph import Executor, Graph
from mcu_gen.plan.planner import make_plan
from mcu_gen.plan.types import Plan
from mcu_gen.targets import FEATURES, Target
from support.three_way import CFLAGS, COMPILE_S, RUN_S, SANITIZE, compiler

HOST = Target("host", features=frozenset(FEATURES))

_MAIN = """\
#include <stdio.h>
#include <string.h>
#include "net.h"

static unsigned char x[NET_INPUT_0_BYTES], label[NET_LABEL_BYTES];

int main(void) {
    static const unsigned bytes[] = {%s};
    net_reset();
    while (fread(x, sizeof x, 1, stdin) == 1 && fread(label, sizeof label, 1, stdin) == 1) {
        float loss;
        const int skipped = net_train_step(x, label, &loss);
        fwrite(&loss, sizeof loss, 1, stdout);
        fwrite(&skipped, sizeof skipped, 1, stdout);
        fwrite(net_output(0), NET_OUTPUT_0_BYTES, 1, stdout);
    }
    for (unsigned i = 0; i < NET_NUM_WEIGHTS; i++) {
        fwrite(net_weights(i), bytes[i], 1, stdout);
    }
    return 0;
}
"""


@dataclass
class Run:
    """What a training run gives: per step the loss, the updates left out and the prediction; the weights at the end."""

    losses: np.ndarray
    skipped: np.ndarray
    predictions: np.ndarray
    weights: dict[str, np.ndarray]


def train_executor(graph: Graph, samples: Sequence[tuple[np.ndarray, np.ndarray]]) -> Run:
    """The run in NumPy."""
    t = graph.training
    assert t is not None
    executor = Executor(graph)
    steps = [executor.run({graph.inference_inputs[0]: x, t.label: y}) for x, y in samples]
    return Run(
        np.array([s[t.loss][0] for s in steps], np.float32),
        np.array([s[t.skipped][0] for s in steps], np.int32),
        np.stack([s[graph.inference_outputs[0]] for s in steps]),
        {n: executor.state[n] for n in t.trained},
    )


def train_c(graph: Graph, samples: Sequence[tuple[np.ndarray, np.ndarray]], folder: Path, target: Target = HOST) -> Run:
    """The run in the generated C, compiled for this machine with sanitizers."""
    return train_plan(make_plan(graph, target, fuse=False), samples, folder)


def compiled(plan: Plan, main: str, folder: Path, flags: Sequence[str]) -> Path:
    """The program of a plan's generated C and of ``main``, the text of its main file, compiled in ``folder``."""
    sources = []
    for name, text in network_files(plan, "net").items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        sources += [str(path)] if path.suffix == ".c" else []
    (folder / "main.c").write_text(main)
    program = folder / "program"
    command = [*compiler(), *flags, *CFLAGS, f"-I{folder}/include", f"-I{folder}/src"]
    command += [*sources, str(folder / "main.c"), "-lm", "-o", str(program)]
    subprocess.run(command, check=True, timeout=COMPILE_S)
    return program


def train_plan(plan: Plan, samples: Sequence[tuple[np.ndarray, np.ndarray]], folder: Path) -> Run:
    """The run of a plan in the generated C."""
    graph = plan.graph
    t = graph.training
    assert t is not None
    main = _MAIN % ", ".join(f"{graph.tensors[n].bytes}u" for n in t.trained)
    program = compiled(plan, main, folder, ["-O0", *SANITIZE, "-DNET_POISON=1"])
    data = b"".join(x.tobytes() + y.tobytes() for x, y in samples)
    found = subprocess.run([str(program)], input=data, capture_output=True, timeout=RUN_S, check=False)
    assert found.returncode == 0, found.stderr.decode()
    return _parse(graph, found.stdout, len(samples))


def _parse(graph: Graph, data: bytes, steps: int) -> Run:
    t = graph.training
    assert t is not None
    y = graph.tensors[graph.inference_outputs[0]]
    record = np.dtype([("loss", "<f4"), ("skipped", "<i4"), ("y", "<f4", y.shape)])
    table = np.frombuffer(data, record, count=steps)
    at = steps * record.itemsize
    weights = {}
    for name in t.trained:
        w = graph.tensors[name]
        weights[name] = np.frombuffer(data, w.dtype.numpy, count=w.elements, offset=at).reshape(w.shape)
        at += w.bytes
    assert at == len(data)
    return Run(table["loss"], table["skipped"], table["y"], weights)


def distance(a: np.ndarray, b: np.ndarray, at_least: float = 0.0) -> float:
    """L2 distance of ``a`` from ``b``, relative to the norm of ``b`` or to ``at_least`` where that is more."""
    difference = np.linalg.norm(a.astype(np.float64) - b.astype(np.float64))
    return float(difference / max(float(np.linalg.norm(b.astype(np.float64))), at_least, 1e-30))
