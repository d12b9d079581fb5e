"""Training runs with the optimizers of Keras 3.

``python keras_runs.py OUT.npz``, with an interpreter that has TensorFlow, does the runs of ``RUNS``: a network 12-9-7-4
with ReLU and cross-entropy, one sample at a time, gradients of a batch averaged and clipped by
``tf.clip_by_global_norm``.  OUT gets samples ``x`` and ``y``, the first weights ``w0``, ``b0``..., and
``<run>/<weights>`` after the last step.
"""

from __future__ import annotations

import sys

import numpy as np

STEPS = 24
SIZES = (12, 9, 7, 4)
RATE = 0.03

#: Value of ``--train`` -> optimizer, its arguments, batch, clip.
RUNS: dict[str, tuple[str, dict[str, float], int, float]] = {
    "all": ("SGD", {}, 1, 0.0),
    "all,weight_decay=0.1": ("SGD", {"weight_decay": 0.1}, 1, 0.0),
    "all,batch=4": ("SGD", {}, 4, 0.0),
    "all,batch=4,clip=0.5,weight_decay=0.1": ("SGD", {"weight_decay": 0.1}, 4, 0.5),
    "all,optimizer=momentum": ("SGD", {"momentum": 0.9}, 1, 0.0),
    "all,optimizer=momentum,momentum=0.5,batch=3": ("SGD", {"momentum": 0.5}, 3, 0.0),
    "all,optimizer=adam": ("Adam", {}, 1, 0.0),
    "all,optimizer=adam,batch=6,weight_decay=0.05,clip=1": ("Adam", {"weight_decay": 0.05}, 6, 1.0),
}


def main(target: str) -> None:
    import keras
    import tensorflow as tf

    rng = np.random.default_rng(3)
    x = rng.normal(size=(STEPS, SIZES[0])).astype(np.float32)
    y = rng.integers(0, SIZES[-1], STEPS).astype(np.int32)
    first = {}
    for i in range(3):
        first[f"w{i}"] = (rng.normal(size=(SIZES[i + 1], SIZES[i])) / np.sqrt(SIZES[i])).astype(np.float32)
        first[f"b{i}"] = rng.normal(0, 0.1, SIZES[i + 1]).astype(np.float32)
    found = {"x": x, "y": y, **first}
    for run, (name, arguments, batch, clip) in RUNS.items():
        variables = {k: tf.Variable(v) for k, v in first.items()}
        optimizer = getattr(keras.optimizers, name)(RATE, **arguments)
        optimizer.build(list(variables.values()))
        total = [0.0] * len(variables)
        for step in range(STEPS):
            with tf.GradientTape() as tape:
                h = x[step : step + 1]
                for i in range(3):
                    h = h @ tf.transpose(variables[f"w{i}"]) + variables[f"b{i}"]
                    h = tf.nn.relu(h) if i < 2 else h
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y[step : step + 1], h))
            gradients = tape.gradient(loss, list(variables.values()))
            total = [t + g for t, g in zip(total, gradients, strict=True)]
            if (step + 1) % batch == 0:
                mean = [t / batch for t in total]
                mean = tf.clip_by_global_norm(mean, clip)[0] if clip else mean
                optimizer.apply(mean, list(variables.values()))
                total = [0.0] * len(variables)
        found |= {f"{run}/{k}": v.numpy() for k, v in variables.items()}
    np.savez_compressed(target, **found)


if __name__ == "__main__":
    main(sys.argv[1])
