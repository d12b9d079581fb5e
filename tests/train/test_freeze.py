"""Layers that are frozen while the firmware runs, and thawed again."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from mcu_gen import api
from mcu_gen.emit.network import network_files
from mcu_gen.errors import UsageError
from mcu_gen.graph import Executor, Graph
from mcu_gen.plan.planner import make_plan
from mcu_gen.train import make_training_graph, parse_spec
from support.three_way import CFLAGS, COMPILE_S, RUN_S, SANITIZE, compiler
from support.training import HOST, distance
from train.network import Network, build
from train.networks import dense, op

NET = Network("frozen", (1, 8), [dense(6, activation="relu"), dense(5, activation="relu"), dense(3), op("softmax")])

_MAIN = """\
#include <stdio.h>
#include "net.h"
static float x[8];
static int32_t label;
int main(void) {
    static const unsigned bytes[] = {%(bytes)s};
    net_reset();
    for (int i = 0; i < %(steps)d; i++) {
        if (i == %(freeze)d) for (unsigned t = 0; t < NET_NUM_WEIGHTS + 40u; t++) net_freeze(t, t == 2u || t == 4u);
        if (i == %(thaw)d) for (unsigned t = 0; t < NET_NUM_WEIGHTS; t++) net_freeze(t, 0);
        if (fread(x, sizeof x, 1, stdin) != 1 || fread(&label, sizeof label, 1, stdin) != 1) return 1;
        const int skipped = net_train_step(x, &label, NULL);
        fwrite(&skipped, sizeof skipped, 1, stdout);
        for (unsigned t = 0; t < NET_NUM_WEIGHTS; t++) fwrite(net_weights(t), bytes[t], 1, stdout);
    }
    return 0;
}
"""

STEPS, FREEZE, THAW = 8, 2, 5

#: Tensors that are frozen: w1 and w2.
FROZEN = (2, 4)


def stream() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(2)
    return [(rng.normal(size=(1, 8)).astype(np.float32), rng.integers(0, 3, 1).astype(np.int32)) for _ in range(STEPS)]


def in_executor(graph: Graph) -> list[dict[str, np.ndarray]]:
    t = graph.training
    assert t is not None
    executor, found = Executor(graph), []
    for i, (x, y) in enumerate(stream()):
        if i in (FREEZE, THAW):
            for tensor in FROZEN:
                executor.freeze(tensor, i == FREEZE)
                for name in t.state:
                    if name == f"{t.trained[tensor]}.gradient":
                        executor.state[name] = np.zeros_like(executor.state[name])
        assert executor.run({"x": x, t.label: y})[t.skipped][0] == 0
        found.append({n: executor.state[n] for n in t.trained})
    return found


def in_c(graph: Graph, folder: Path) -> list[dict[str, np.ndarray]]:
    t = graph.training
    assert t is not None
    sources = []
    for name, text in network_files(make_plan(graph, HOST, fuse=False), "net").items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        sources += [str(path)] if path.suffix == ".c" else []
    sizes = [graph.tensors[n].bytes for n in t.trained]
    text = _MAIN % {"bytes": ", ".join(f"{b}u" for b in sizes), "steps": STEPS, "freeze": FREEZE, "thaw": THAW}
    (folder / "main.c").write_text(text)
    command = [*compiler(), "-O0", *CFLAGS, *SANITIZE, "-DNET_POISON=1", f"-I{folder}/include", f"-I{folder}/src"]
    command += [*sources, str(folder / "main.c"), "-lm", "-o", str(folder / "program")]
    subprocess.run(command, check=True, timeout=COMPILE_S)
    data = b"".join(x.tobytes() + y.tobytes() for x, y in stream())
    done = subprocess.run([str(folder / "program")], input=data, capture_output=True, timeout=RUN_S, check=False)
    assert done.returncode == 0, done.stderr.decode()
    record = np.dtype([("skipped", "<i4"), *((n, "<f4", graph.tensors[n].shape) for n in t.trained)])
    table = np.frombuffer(done.stdout, record)
    assert len(table) == STEPS
    assert not table["skipped"].any()
    return [{n: row[n] for n in t.trained} for row in table]


@pytest.mark.parametrize("spec", ["all", "all,optimizer=adam,weight_decay=0.01", "all,optimizer=momentum,batch=3"])
def test_frozen_tensors_keep_their_bits_and_the_others_learn(spec: str, tmp_path: Path) -> None:
    graph = make_training_graph(build(NET), parse_spec(spec), rate=0.05)
    want, got = in_executor(graph), in_c(graph, tmp_path)
    assert graph.training is not None
    names = graph.training.trained
    for a, b in zip(want, got, strict=True):
        assert max(distance(b[n], a[n]) for n in names) < 1e-5
    for tensor, name in enumerate(names):
        during = [got[i][name].tobytes() for i in range(FREEZE - 1, THAW)]
        assert (len(set(during)) == 1) is (tensor in FROZEN), name
        assert got[-1][name].tobytes() != got[THAW - 1][name].tobytes()


def test_a_project_freezes_layers_by_name(tmp_path: Path) -> None:
    api.generate(build(NET), "mps2_an386", tmp_path / "p", train="all")
    x = np.concatenate([a for a, _ in stream()])
    y = np.concatenate([b for _, b in stream()])
    run = api.train(tmp_path / "p", x, y, steps=6, rate=0.1, freeze=["fully_connected1", "b2"])
    same = {k: bool(np.array_equal(w, NET.arrays[k])) for k, w in run.weights.items()}
    assert same == {"w0": False, "b0": False, "w1": True, "b1": True, "w2": False, "b2": True}
    with pytest.raises(UsageError, match="nothing that is trained is called 'w9'"):
        api.train(tmp_path / "p", x, y, steps=1, rate=0.1, freeze=["w9"])
