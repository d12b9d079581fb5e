"""What a network learns in the generated C, in floats and in halves, is as good as what TensorFlow gets in float32.

The bounds are for means over five seeds: accuracy on 1,000 test images within 0.5 points, the loss at the end within
2 % or one standard deviation of TensorFlow's, whichever is more.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mcu_gen.graph import Graph
from mcu_gen.plan.planner import make_plan
from mcu_gen.train import make_training_graph, parse_spec
from support.three_way import RUN_S
from support.training import HOST, compiled
from train.network import Network, build, conv, dense, op
from train.quality import FILTERS, HEAD, RATE, SEEDS, TRAINED_ON, digits, first_weights, stream

_MAIN = """\
#include <stdio.h>
#include "net.h"

/* Trains on `steps` samples, then classifies `tests`; writes every loss and every answer. */
int main(void) {
    static float x[NET_INPUT_0_BYTES / sizeof(float)];
    int32_t label, counts[2];
    net_reset();
    if (fread(counts, sizeof counts, 1, stdin) != 1) return 1;
    for (int32_t i = 0; i < counts[0]; i++) {
        float loss;
        if (fread(x, sizeof x, 1, stdin) != 1 || fread(&label, sizeof label, 1, stdin) != 1) return 1;
        (void)net_train_step(x, &label, &loss); /* halves may overflow until the loss scale has settled */
        fwrite(&loss, sizeof loss, 1, stdout);
    }
    for (int32_t i = 0; i < counts[1]; i++) {
        if (fread(net_input(0), NET_INPUT_0_BYTES, 1, stdin) != 1 || net_invoke() != 0) return 3;
        fwrite(net_output(0), NET_OUTPUT_0_BYTES, 1, stdout);
    }
    return 0;
}
"""


def network(seed: int) -> Graph:
    layers = [conv(f[0], f[1:3], stride=(s, s), activation="relu") for f, s in FILTERS]
    made = Network("digits", (1, 8, 8, 1), [*layers, op("reshape"), dense(HEAD[0]), op("softmax")])
    weights = first_weights(seed)
    made.arrays |= {k.replace("2", "3"): v for k, v in weights.items()}  # layer 2 is the reshape
    return build(made)


def learned(spec: str, seed: int, folder: Path) -> tuple[float, float]:
    """Accuracy on the test images, and the mean loss of the last pass."""
    x, y, x_test, y_test = digits()
    graph = make_training_graph(network(seed), parse_spec(spec), rate=RATE)
    folder.mkdir()
    program = compiled(make_plan(graph, HOST, fuse=False), _MAIN, folder, ["-O2"])
    order = stream(seed)
    data = np.array([len(order), len(x_test)], np.int32).tobytes()
    data += b"".join(x[i].tobytes() + y[i].tobytes() for i in order) + x_test.tobytes()
    done = subprocess.run([str(program)], input=data, capture_output=True, check=True, timeout=RUN_S)
    losses = np.frombuffer(done.stdout, np.float32, len(order))
    answers = np.frombuffer(done.stdout, np.float32, offset=losses.nbytes).reshape(len(x_test), -1)
    return float((answers.argmax(axis=1) == y_test).mean()), float(losses[-TRAINED_ON:].mean())


@pytest.mark.parametrize("spec", ["all", "all,dtype=f16", "all,dtype=f16,rounding=stochastic"])
def test_five_seeds_learn_as_well_as_tensorflow(spec: str, tmp_path: Path) -> None:
    want = {k: np.array(v) for k, v in json.loads(Path(__file__).with_name("quality.json").read_text()).items()}
    accuracy, loss = np.transpose([learned(spec, seed, tmp_path / str(seed)) for seed in SEEDS])
    assert abs(accuracy.mean() - want["accuracy"].mean()) <= 0.005, (accuracy, want["accuracy"])
    assert abs(loss.mean() - want["loss"].mean()) <= max(0.02 * want["loss"].mean(), want["loss"].std(ddof=1))
