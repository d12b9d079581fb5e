"""A fully connected int8 autoencoder in the shape of MLPerf Tiny's AD01 (anomaly detection), with random weights.

The instructions of fully connected layers do not depend on the weights, so its rows stand beside figures of the trained
model.
"""

from __future__ import annotations

import itertools

import numpy as np

from support.tflite_builder import ModelBuilder

#: Numbers in and out, and of the layers between.
WIDTHS = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
MACS = sum(a * b for a, b in itertools.pairwise(WIDTHS))


def autoencoder() -> bytes:
    """The .tflite file: ten FULLY_CONNECTED layers with one scale per tensor, RELU behind all but the last.

    As after calibration, scales are no round numbers.
    """
    rng = np.random.default_rng(0)
    scales = rng.uniform(0.08, 0.12, len(WIDTHS))
    b = ModelBuilder().tensor("x0", (1, WIDTHS[0]), "int8", scale=scales[0], zero_point=0)
    for i, (depth, channels) in enumerate(itertools.pairwise(WIDTHS)):
        last = i == len(WIDTHS) - 2
        weights = rng.integers(-127, 128, (channels, depth), dtype=np.int8)
        scale = rng.uniform(0.001, 0.002)
        b.tensor(f"w{i}", (channels, depth), "int8", scale=scale, data=weights)
        b.tensor(f"b{i}", (channels,), "int32", scale=scales[i] * scale, data=rng.integers(-2000, 2000, channels))
        b.tensor(f"x{i + 1}", (1, channels), "int8", scale=scales[i + 1], zero_point=0 if last else -128)
        options = {"fused_activation_function": "none" if last else "relu"}
        b.op("FULLY_CONNECTED", [f"x{i}", f"w{i}", f"b{i}"], [f"x{i + 1}"], options=options)
    return b.inputs(["x0"]).outputs([f"x{len(WIDTHS) - 1}"]).build()
