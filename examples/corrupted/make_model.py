"""Trains a narrow ResNet8 on generated pictures and converts it to int8; needs TensorFlow and NumPy.

    python make_model.py

Seeds are fixed; the weights still differ in the last bits from one TensorFlow build to the next, so the committed file
is the reference.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tensorflow as tf
from pictures import CLASSES, SIZE, generated

HERE = Path(__file__).resolve().parent


def build(batch_size: int | None = None) -> tf.keras.Model:
    """ResNet8 as in MLPerf Tiny with half the channels: 24 x 24 pixels in 0..255, 10 classes."""
    layers = tf.keras.layers

    def conv(x: tf.Tensor, channels: int, k: int, stride: int, *, relu: bool) -> tf.Tensor:
        x = layers.Conv2D(channels, k, strides=stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        return layers.ReLU()(x) if relu else x

    inputs = layers.Input((SIZE, SIZE, 3), batch_size=batch_size, name="picture")
    x = conv(inputs, 8, 3, 1, relu=True)
    for channels, stride in ((8, 1), (16, 2), (32, 2)):
        y = conv(conv(x, channels, 3, stride, relu=True), channels, 3, 1, relu=False)
        short = x if stride == 1 else layers.Conv2D(channels, 1, strides=stride, padding="same")(x)
        x = layers.ReLU()(layers.Add()([short, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(inputs, layers.Softmax()(layers.Dense(len(CLASSES))(x)), name="pictures")


def convert(model: tf.keras.Model, calibration: np.ndarray) -> bytes:
    """To int8, one picture at a time."""
    single = build(batch_size=1)
    single.set_weights(model.get_weights())
    converter = tf.lite.TFLiteConverter.from_keras_model(single)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample[None].astype(np.float32)] for sample in calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return converter.convert()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, default=HERE / "pictures_int8.tflite")
    parser.add_argument("--epochs", type=int, default=25)
    args = parser.parse_args()

    tf.keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, y = generated(4000, 1)
    # Both ends of the range are in the calibration, so that the input's scale is 1.
    calibration = np.concatenate([x[rng.choice(len(x), 198, replace=False)], np.zeros_like(x[:1]), 255 + 0 * x[:1]])
    model = build()
    rate = tf.keras.optimizers.schedules.CosineDecay(3e-3, args.epochs * -(-len(x) // 32))
    model.compile(tf.keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x.astype(np.float32), y, batch_size=32, epochs=args.epochs, verbose=0)
    x_test, y_test = generated(500, 2)
    accuracy = model.evaluate(x_test.astype(np.float32), y_test, verbose=0)[1]
    print(f"accuracy on {len(y_test)} other pictures: {accuracy:.4f}")
    args.out.write_bytes(convert(model, calibration))


if __name__ == "__main__":
    main()
