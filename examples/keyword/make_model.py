"""Trains the network that knows the old speakers and converts it to int8; needs TensorFlow and NumPy.

    python make_model.py                                           # keyword_int8.tflite, on generated speakers
    python make_model.py --data spoken_digits.zip --without theo -o theo.tflite

Seeds are fixed; the weights still differ in the last bits from one TensorFlow build to the next, so the committed file
is the reference.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tensorflow as tf
from features import COEFFICIENTS, FRAMES, mfcc
from speech import CROWD, UNSEEN, crowd, recorded

HERE = Path(__file__).resolve().parent


def build(batch_size: int | None = None) -> tf.keras.Model:
    """A depthwise-separable network (Zhang et al. 2017): 49 x 10 coefficients, 10 digits."""
    layers = tf.keras.layers

    def normalized(x: tf.Tensor) -> tf.Tensor:
        return layers.ReLU()(layers.BatchNormalization()(x))

    x = inputs = layers.Input((FRAMES, COEFFICIENTS, 1), batch_size=batch_size, name="mfcc")
    x = normalized(layers.Conv2D(24, (8, 4), strides=2, padding="same", use_bias=False)(x))
    for channels, stride in ((40, 1), (64, 2), (64, 1)):
        x = normalized(layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x))
        x = normalized(layers.Conv2D(channels, 1, use_bias=False)(x))
    x = layers.GlobalAveragePooling2D()(x)
    if batch_size is None:
        x = layers.Dropout(0.2)(x)
    return tf.keras.Model(inputs, layers.Softmax()(layers.Dense(10)(x)), name="keyword")


def augment(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every take a little earlier or later, noisier, and with another colour."""
    out = np.empty_like(x)
    for i, shift in enumerate(rng.integers(-8, 9, len(x))):
        out[i] = np.roll(x[i], shift, axis=0)
    colour = rng.normal(0, 0.15, (len(x), 1, x.shape[2], 1))
    return (out + colour + rng.normal(0, 0.1, x.shape)).astype(np.float32)


def convert(model: tf.keras.Model, calibration: np.ndarray) -> bytes:
    """To int8, one sample at a time."""
    single = build(batch_size=1)
    single.set_weights(model.get_weights())
    converter = tf.lite.TFLiteConverter.from_keras_model(single)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample[None]] for sample in calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return converter.convert()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="zip file of digit_speaker_take.wav")
    parser.add_argument("--without", default="", help="the speaker that the network is not to know")
    parser.add_argument("-o", "--out", type=Path, default=HERE / "keyword_int8.tflite")
    parser.add_argument("--epochs", type=int, default=30)
    args = parser.parse_args()

    tf.keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    if args.data is None:
        sounds, y = crowd(range(CROWD), range(UNSEEN, UNSEEN + 5))
    else:
        known = [
            (s[t >= UNSEEN], d[t >= UNSEEN]) for who, (s, d, t) in recorded(args.data).items() if who != args.without
        ]
        sounds, y = (np.concatenate(arrays) for arrays in zip(*known, strict=True))
    x = mfcc(sounds)
    model = build()
    rate = tf.keras.optimizers.schedules.CosineDecay(3e-3, args.epochs * -(-len(x) // 32))
    model.compile(tf.keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    for _ in range(args.epochs):
        model.fit(augment(x, rng), y, batch_size=32, verbose=0)
    print(f"accuracy on {len(y)} takes that were learned from: {model.evaluate(x, y, verbose=0)[1]:.4f}")
    args.out.write_bytes(convert(model, x[rng.choice(len(x), 200, replace=False)]))


if __name__ == "__main__":
    main()
