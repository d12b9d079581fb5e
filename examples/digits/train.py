"""Trains the digits network of the demo and converts it to int8.

    pip install 'mcu-gen[keras]' scikit-learn
    python examples/digits/train.py

Writes ``digits_int8.tflite`` (what ``mcu-gen demo`` runs), ``digits_float.tflite`` (the same network before
quantization) and ``digits_test.npz`` (the test split) beside this script.  Seeds are fixed; the weights still differ
in the last bits from one TensorFlow build to the next, so the committed files are the reference.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tensorflow as tf
from data import load_digits_split

HERE = Path(__file__).resolve().parent


def build(batch_size: int | None = None) -> tf.keras.Model:
    """A depthwise-separable network of 8 x 8 pixels: 10 classes, 40 k multiply-accumulates."""
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            layers.Input((8, 8, 1), batch_size=batch_size, name="pixels"),
            layers.Conv2D(16, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.DepthwiseConv2D(3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(24, 1, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, padding="valid", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(10),
            layers.Softmax(),
        ],
        name="digits",
    )


def augment(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shifts every image by at most one pixel in each direction."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    offsets = rng.integers(0, 3, (len(x), 2))
    return np.stack([p[r : r + 8, c : c + 8] for p, (r, c) in zip(padded, offsets, strict=True)])


def convert(model: tf.keras.Model, calibration: np.ndarray | None) -> bytes:
    """To .tflite: int8 with ``calibration`` samples, float32 without."""
    # A fixed batch of one: microcontrollers run sample by sample.
    single = build(batch_size=1)
    single.set_weights(model.get_weights())
    converter = tf.lite.TFLiteConverter.from_keras_model(single)
    if calibration is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([sample[None]] for sample in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    return converter.convert()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    tf.keras.utils.set_random_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    (x, y), (x_test, y_test) = load_digits_split()

    model = build()
    rate = tf.keras.optimizers.schedules.CosineDecay(3e-3, args.epochs * -(-len(x) // 32))
    model.compile(tf.keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    for _ in range(args.epochs):
        model.fit(augment(x, rng), y, batch_size=32, verbose=0)
    for name, (inputs, labels) in {"train": (x, y), "test": (x_test, y_test)}.items():
        print(f"float accuracy, {name} split: {model.evaluate(inputs, labels, verbose=0)[1]:.4f} of {len(labels)}")

    (HERE / "digits_float.tflite").write_bytes(convert(model, None))
    (HERE / "digits_int8.tflite").write_bytes(convert(model, x[rng.choice(len(x), 200, replace=False)]))
    np.savez_compressed(HERE / "digits_test.npz", x=x_test, y=y_test)


if __name__ == "__main__":
    main()
