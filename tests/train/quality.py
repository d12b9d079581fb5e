"""A convolutional network learns scikit-learn's digits from a stream, five times: what TensorFlow gets in float32.

``python quality.py OUT.json``, with an interpreter that has TensorFlow and scikit-learn, trains it with plain SGD, one
image at a time; OUT gets per seed the accuracy on the test images afterwards and the mean loss of the last pass.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

SEEDS = range(5)
PASSES = 6
RATE = 0.01

#: Filters [outputs, height, width, inputs] with their strides, then the matrix [classes, inputs] behind them.
FILTERS = (((4, 3, 3, 1), 1), ((8, 3, 3, 4), 2))
HEAD = (10, 4 * 4 * 8)
TRAINED_ON = 797


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images float32[n, 8, 8, 1] in 0..1 and classes int32[n]: 797 to learn from, 1,000 to test."""
    from sklearn.datasets import load_digits

    found = load_digits()
    x, y = (found.images / 16).astype(np.float32)[..., None], found.target.astype(np.int32)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    return x[:TRAINED_ON], y[:TRAINED_ON], x[TRAINED_ON:], y[TRAINED_ON:]


def first_weights(seed: int) -> dict[str, np.ndarray]:
    """He's initialization; biases are 0."""
    rng = np.random.default_rng(seed)
    found = {}
    for i, shape in enumerate((*(f for f, _ in FILTERS), HEAD)):
        found[f"w{i}"] = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)
        found[f"b{i}"] = np.zeros(shape[0], np.float32)
    return found


def stream(seed: int) -> np.ndarray:
    """The order of the training images, ``PASSES`` times all of them."""
    rng = np.random.default_rng(100 + seed)
    return np.concatenate([rng.permutation(TRAINED_ON) for _ in range(PASSES)])


def main(target: str) -> None:
    import tensorflow as tf

    x, y, x_test, y_test = digits()
    accuracy, loss = [], []
    for seed in SEEDS:
        w = {k: tf.Variable(v) for k, v in first_weights(seed).items()}

        def logits(image, w=w):  # type: ignore[no-untyped-def]
            for i, (_, stride) in enumerate(FILTERS):
                image = tf.nn.conv2d(image, tf.transpose(w[f"w{i}"], (1, 2, 3, 0)), stride, "SAME") + w[f"b{i}"]
                image = tf.nn.relu(image)
            flat = tf.reshape(image, (-1, HEAD[1]))
            return flat @ tf.transpose(w["w2"]) + w["b2"]

        @tf.function
        def step(image, label, w=w, logits=logits):  # type: ignore[no-untyped-def]
            with tf.GradientTape() as tape:
                loss = tf.nn.sparse_softmax_cross_entropy_with_logits(label, logits(image))
            for k, gradient in tape.gradient(loss, w).items():
                w[k].assign_sub(RATE * gradient)
            return loss

        losses = [float(step(x[i : i + 1], y[i : i + 1])[0]) for i in stream(seed)]
        accuracy.append(float((logits(x_test).numpy().argmax(axis=1) == y_test).mean()))
        loss.append(float(np.mean(losses[-TRAINED_ON:])))
    Path(target).write_text(json.dumps({"accuracy": accuracy, "loss": loss}, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
