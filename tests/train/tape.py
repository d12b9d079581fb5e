"""Gradients of the networks of ``networks.py`` from TensorFlow's GradientTape in float64.

Run with an interpreter that has TensorFlow: ``python tape.py IN.npz OUT.npz``.  IN holds ``networks`` (JSON) and the
arrays as ``<network>/<array>``; OUT gets ``<network>/loss`` and ``<network>/grad/<array>``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import tensorflow as tf


def activated(y: Any, name: str) -> Any:
    if name == "relu_n1_to_1":
        return tf.clip_by_value(y, -1.0, 1.0)
    return {"none": tf.identity, "relu": tf.nn.relu, "relu6": tf.nn.relu6}[name](y)


def layer_output(layer: dict[str, Any], i: int, x: Any, outputs: list[Any], arrays: Any) -> Any:
    w, b = arrays.get(f"w{i}"), arrays.get(f"b{i}")
    kind = layer["op"]
    if kind == "fully_connected":
        y = tf.linalg.matmul(x, w, transpose_b=True)
    elif kind == "conv2d":
        # float64 convolutions with groups or strides are not on every CPU build: sums over taps are
        y = windowed(layer, x, lambda r, c, seen: grouped(seen, w[:, r, c], layer.get("groups", 1)))
    elif kind == "depthwise_conv2d":
        m = layer.get("multiplier", 1)
        y = windowed(layer, x, lambda r, c, seen: tf.repeat(seen, m, axis=3) * w[0, r, c])
    elif kind in ("max_pool2d", "average_pool2d"):
        pool = tf.nn.max_pool2d if kind == "max_pool2d" else tf.nn.avg_pool2d
        y = pool(x, layer["filter"], layer["stride"], layer["padding"].upper())
    elif kind == "mean":
        y = tf.reduce_mean(x, axis=[1, 2])
    elif kind == "reshape":
        y = tf.reshape(x, [1, -1])
    elif kind == "add":
        y = x + outputs[layer["with"] + 1]
    elif kind in ("relu", "relu6"):
        y = activated(x, kind)
    elif kind == "softmax":
        return x  # folded into the loss
    if b is not None:
        y = y + b
    return activated(y, layer.get("activation", "none"))


def windowed(layer: dict[str, Any], x: Any, product: Any) -> Any:
    (kh, kw), (sh, sw), (dh, dw) = layer["filter"], layer["stride"], layer.get("dilation", (1, 1))
    height, width = x.shape[1], x.shape[2]
    eh, ew = (kh - 1) * dh + 1, (kw - 1) * dw + 1
    if layer["padding"] == "same":
        oh, ow = -(-height // sh), -(-width // sw)
        ph, pw = max(0, (oh - 1) * sh + eh - height), max(0, (ow - 1) * sw + ew - width)
    else:
        oh, ow, ph, pw = (height - eh) // sh + 1, (width - ew) // sw + 1, 0, 0
    padded = tf.pad(x, [[0, 0], [ph // 2, ph - ph // 2], [pw // 2, pw - pw // 2], [0, 0]])
    total: Any = 0.0
    for r in range(kh):
        for c in range(kw):
            top, left = r * dh, c * dw
            seen = padded[:, top : top + (oh - 1) * sh + 1 : sh, left : left + (ow - 1) * sw + 1 : sw]
            total += product(r, c, seen)
    return total


def grouped(seen: Any, w: Any, groups: int) -> Any:
    parts = zip(tf.split(seen, groups, axis=3), tf.split(w, groups, axis=0), strict=True)
    return tf.concat([tf.einsum("nhwc,oc->nhwo", s, f) for s, f in parts], axis=3)


def main(source: str, target: str) -> None:
    data = np.load(source)
    found: dict[str, Any] = {}
    for network in json.loads(str(data["networks"])):
        name = network["name"]
        arrays = {k[len(name) + 1 :]: v for k, v in data.items() if k.startswith(name + "/")}
        label = arrays.pop("label")
        variables = {k: tf.Variable(v.astype(np.float64)) for k, v in arrays.items() if k != "x"}
        with tf.GradientTape() as tape:
            outputs = [tf.constant(arrays["x"].astype(np.float64))]
            for i, layer in enumerate(network["layers"]):
                x = outputs[layer.get("from", i - 1) + 1]
                outputs.append(layer_output(layer, i, x, outputs, variables))
            y = outputs[-1]
            if network["loss"] == "mse":
                loss = tf.reduce_mean(tf.square(y - label.astype(np.float64)))
            else:
                flat = tf.reshape(y, [-1, y.shape[-1]])
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(label, flat))
        found[f"{name}/loss"] = loss.numpy()
        for key, gradient in tape.gradient(loss, variables).items():
            found[f"{name}/grad/{key}"] = gradient.numpy()
    np.savez_compressed(target, **found)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
