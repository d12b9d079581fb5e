"""Digits whose classes arrive one group after the other: without replay the old ones are forgotten, with it they stay.

The network is the int8 digits classifier with a head that knows nothing; scikit-learn's training images of the classes
0 to 4 come first, then three times those of 5 to 9, as a stream.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mcu_gen import api
from mcu_gen.graph import Graph
from mcu_gen.plan.planner import make_plan
from mcu_gen.train import make_training_graph, parse_spec
from support.integer_networks import codes
from support.three_way import RUN_S
from support.training import HOST, compiled

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
SEEDS = range(5)

#: Slots of the buffer (388 B each), and the learning rate.
SAMPLES, RATE = 100, 0.02

#: Samples of the first classes, and of the others, are seen so many times.
PASSES = (1, 3)

_MAIN = """\
#include <stdio.h>
#include "net.h"

/* 'r' resets, 't' trains on a sample, 'i' classifies one and writes the outputs. */
int main(void) {
    static unsigned char x[NET_INPUT_0_BYTES];
    int what, label;
    while ((what = getchar()) != EOF) {
        if (what == 'r') {
            net_reset();
            continue;
        }
        label = getchar();
        if (fread(x, sizeof x, 1, stdin) != 1) return 1;
        if (what == 't') {
            const int32_t y = label;
            (void)net_train_step(x, &y, NULL);
        } else {
            for (unsigned i = 0; i < sizeof x; i++) ((unsigned char *)net_input(0))[i] = x[i];
            (void)net_invoke();
            fwrite(net_output(0), NET_OUTPUT_0_BYTES, 1, stdout);
        }
    }
    return 0;
}
"""

Split = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def splits() -> tuple[Split, Split]:
    """Training and test images as the network takes them, and labels."""
    pytest.importorskip("sklearn")
    sys.path.insert(0, str(DIGITS))
    try:
        from data import load_digits_split
    finally:
        sys.path.remove(str(DIGITS))
    graph = api.load(DIGITS / "digits_int8.tflite")
    x = graph.tensors[graph.inputs[0]]
    (a, b), (c, d) = load_digits_split()
    return (codes(x, a), b), (codes(x, c), d)


def ignorant(graph: Graph) -> Graph:
    """The network with a head of zeros."""
    out = graph.copy()
    head = next(o for o in graph.ops if o.type == "fully_connected")
    for name in head.inputs[1:3]:
        t = out.tensors[name or ""]
        assert t.data is not None
        out.tensors[t.name] = t.replace(data=np.zeros_like(t.data))
    return out


def program_of(spec: str, folder: Path) -> Path:
    graph = make_training_graph(ignorant(api.load(DIGITS / "digits_int8.tflite")), parse_spec(spec), rate=RATE)
    folder.mkdir()
    return compiled(make_plan(graph, HOST, fuse=False), _MAIN, folder, ["-O2"])


def records(what: bytes, x: np.ndarray, y: np.ndarray) -> bytes:
    return b"".join(what + bytes([int(label)]) + image.tobytes() for image, label in zip(x, y, strict=True))


def accuracies(program: Path, splits: tuple[Split, Split]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per seed: on the old classes before the new ones come and after them, and on all classes at the end."""
    (x, y), (x_test, y_test) = splits
    data = b""
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        data += b"r"
        for group, passes in zip((y < 5, y >= 5), PASSES, strict=True):
            for _ in range(passes):
                order = rng.permutation(np.flatnonzero(group))
                data += records(b"t", x[order], y[order])
            data += records(b"i", x_test, y_test)
    done = subprocess.run([str(program)], input=data, capture_output=True, check=True, timeout=RUN_S)
    answers = np.frombuffer(done.stdout, np.float32).reshape(len(SEEDS), 2, len(y_test), 10).argmax(axis=3)
    right, old = answers == y_test, y_test < 5
    return right[:, 0, old].mean(axis=1), right[:, 1, old].mean(axis=1), right[:, 1].mean(axis=1)


def test_replay_avoids_at_least_half_of_the_forgetting(splits: tuple[Split, Split], tmp_path: Path) -> None:
    """In the generated C, for each of five orders of the stream."""
    before, after, _ = accuracies(program_of("last:2", tmp_path / "plain"), splits)
    assert (before > 0.95).all()
    forgotten = before - after
    assert (forgotten > 0.3).all()
    before, after, everything = accuracies(program_of(f"last:2,replay={SAMPLES}", tmp_path / "replay"), splits)
    assert (before > 0.95).all()
    assert (before - after <= forgotten / 2).all()
    assert (everything > 0.95).all()
