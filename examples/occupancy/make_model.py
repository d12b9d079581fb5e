"""Trains the network that knows other offices; needs TensorFlow and NumPy.

    python make_model.py

Seeds are fixed; the weights still differ in the last bits from one TensorFlow build to the next, so the committed file
is the reference.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tensorflow as tf
from rooms import COLUMNS, generated

HERE = Path(__file__).resolve().parent

#: Offices that are learned from, and days in each.
OFFICES, DAYS = 12, 7


def build(batch_size: int | None = None) -> tf.keras.Model:
    """Five standardized numbers, two classes."""
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            layers.Input((len(COLUMNS),), batch_size=batch_size, name="row"),
            layers.Dense(16, activation="relu"),
            layers.Dense(8, activation="relu"),
            layers.Dense(2),
            layers.Softmax(),
        ],
        name="occupancy",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, default=HERE / "occupancy_float.tflite")
    args = parser.parse_args()

    tf.keras.utils.set_random_seed(0)
    rows, labels = zip(*(generated(DAYS, 1000 + office) for office in range(OFFICES)), strict=True)
    # Every office by its own mean and deviation, as the device does it.
    x = np.concatenate([(r - r.mean(axis=0)) / r.std(axis=0) for r in rows]).astype(np.float32)
    y = np.concatenate(labels)
    model = build()
    model.compile(tf.keras.optimizers.Adam(3e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=256, epochs=6, verbose=0)
    accuracy = model.evaluate(x, y, batch_size=4096, verbose=0)[1]
    print(f"accuracy on {len(y)} minutes of {OFFICES} offices: {accuracy:.4f}")
    single = build(batch_size=1)
    single.set_weights(model.get_weights())
    args.out.write_bytes(tf.lite.TFLiteConverter.from_keras_model(single).convert())


if __name__ == "__main__":
    main()
