"""What Keras exports: makes ``keras_blocks.npz`` (run with a Python that has TensorFlow: ``python keras_blocks.py``).

For each model the file holds its .tflite file, a sample, a class, and what GradientTape finds in float64: the loss, and
every trained variable with its gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

OUT = Path(__file__).with_name("keras_blocks.npz")


def transformer() -> Any:
    """Layer norm, attention of two heads, layer norm, GELU."""
    x = keras.Input((5, 6), batch_size=1)
    h = layers.LayerNormalization(epsilon=1e-3)(x)
    y = layers.Add()([x, layers.MultiHeadAttention(2, 3)(h, h)])
    h = layers.Dense(9, activation="gelu")(layers.LayerNormalization(epsilon=1e-3)(y))
    y = layers.Add()([y, layers.Dense(6)(h)])
    return keras.Model(x, layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling1D()(y)))


def convolutions() -> Any:
    """An inverted residual with squeeze-and-excitation, and layers that are seldom seen together."""
    x = keras.Input((7, 6, 2), batch_size=1)
    h = layers.Conv2D(4, 3, strides=2, padding="same", activation="hard_swish")(x)
    e = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(6, 1)(h))
    e = layers.LeakyReLU(negative_slope=0.1)(layers.DepthwiseConv2D(3, padding="same")(e))
    s = layers.Dense(3, activation="relu")(layers.GlobalAveragePooling2D(keepdims=True)(e))
    e = layers.Multiply()([e, layers.Dense(6, activation="sigmoid")(s)])
    h = layers.Add()([h, layers.Conv2D(4, 1, activation="elu")(e)])
    u = layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="tanh")(h)
    u = layers.GroupNormalization(3, name="groups")(u)
    p = layers.MaxPooling2D(2)(layers.ZeroPadding2D(1)(layers.AveragePooling2D(2)(u)))
    h = layers.Concatenate()([p, layers.Cropping2D(((0, 1), (1, 0)))(h)])
    return keras.Model(x, layers.Dense(4, activation="softmax")(layers.Flatten()(h)))


def randomized(make: Callable[[], Any], dtype: str) -> Any:
    """The model with weights that no converter can fold away."""
    keras.config.set_dtype_policy(dtype)
    keras.config.set_floatx(dtype)
    model = make()
    rng = np.random.default_rng(7)
    centers = {"gamma": 1.0, "alpha": 0.25}
    values = [centers.get(v.name, 0.0) + rng.normal(0, 0.25, v.shape) for v in model.weights]
    model.set_weights([np.round(v * 64) / 64 for v in values])
    return model


def main() -> None:
    found: dict[str, Any] = {}
    for make in (transformer, convolutions):
        name = make.__name__
        model = tf.lite.TFLiteConverter.from_keras_model(randomized(make, "float32")).convert()
        wide = randomized(make, "float64")
        rng = np.random.default_rng(3)
        x = (np.round(rng.normal(size=wide.input_shape) * 64) / 64).astype(np.float32)
        with tf.GradientTape() as tape:
            y = wide(x.astype(np.float64), training=False)
            loss = -tf.math.log(y[0, 2])
        gradients = tape.gradient(loss, [v.value for v in wide.trainable_variables])
        found |= {f"{name}/model": np.frombuffer(model, np.uint8), f"{name}/x": x, f"{name}/loss": loss.numpy()}
        for i, (v, g) in enumerate(zip(wide.trainable_variables, gradients, strict=True)):
            found[f"{name}/{i}/{v.path}/value"] = v.numpy().astype(np.float32)
            found[f"{name}/{i}/{v.path}/gradient"] = g.numpy().astype(np.float32)
    np.savez_compressed(OUT, **{k.replace("/", "|"): v for k, v in found.items()})


if __name__ == "__main__":
    main()
