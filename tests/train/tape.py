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
from tape_layers import layer_output


def references(layer: dict[str, Any], before: int) -> list[tuple[int, int]]:
    """``(layer, output)`` of every input; see ``network.py``."""
    source = layer.get("from", before)
    found = list(source) if isinstance(source, list) else [source]
    found += [layer["with"]] if "with" in layer else []
    pairs = (str(r).partition(".") for r in found)
    return [(int(index), int(part or 0)) for index, _, part in pairs]


def weights_of(i: int, variables: dict[str, Any]) -> dict[str, Any]:
    """The weights of layer ``i`` by their key, one letter."""
    return {name[0]: v for name, v in variables.items() if name[1:] == str(i)}


def output(network: dict[str, Any], x: Any, variables: dict[str, Any]) -> Any:
    """The network's output; its logits, where a softmax at its end belongs to the loss."""
    outputs = [[x]]
    layers = network["layers"]
    if network["loss"] == "softmax_cross_entropy" and layers[-1]["op"] == "softmax":
        layers = layers[:-1]
    for i, layer in enumerate(layers):
        xs = [outputs[at + 1][part] for at, part in references(layer, i - 1)]
        found = layer_output(layer, xs, weights_of(i, variables))
        outputs.append(found if isinstance(found, list) else [found])
    return outputs[-1][0]


def huber(y: Any, label: np.ndarray) -> Any:
    d = tf.abs(y - label)
    loss = tf.reduce_mean(tf.where(d <= 1, tf.square(d) / 2, d - 0.5))
    keras = tf.keras.losses.Huber(delta=1.0)(label, y)  # in float32
    assert abs(float(keras) - float(loss)) <= 1e-5 * float(loss), (keras, loss)
    return loss


def loss_of(kind: str, y: Any, label: np.ndarray) -> Any:
    if kind == "softmax_cross_entropy":
        flat = tf.reshape(y, [-1, y.shape[-1]])
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(label, flat))
    label = label.astype(np.float64)
    if kind == "huber":
        return huber(y, label)
    return tf.reduce_mean(tf.square(y - label) if kind == "mse" else tf.abs(y - label))


def differentiated(network: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[Any, dict[str, Any]]:
    """The loss and the gradients of the weights that it depends on."""
    variables = {k: tf.Variable(v.astype(np.float64)) for k, v in arrays.items() if k not in ("x", "label")}
    with tf.GradientTape() as tape:
        y = output(network, tf.constant(arrays["x"].astype(np.float64)), variables)
        loss = loss_of(network["loss"], y, arrays["label"])
    gradients = tape.gradient(loss, variables)
    return loss.numpy(), {k: g.numpy() for k, g in gradients.items() if g is not None}


def main(source: str, target: str) -> None:
    data = np.load(source)
    found: dict[str, Any] = {}
    for network in json.loads(str(data["networks"])):
        name = network["name"]
        arrays = {k[len(name) + 1 :]: v for k, v in data.items() if k.startswith(name + "/")}
        found[f"{name}/loss"], gradients = differentiated(network, arrays)
        found |= {f"{name}/grad/{k}": g for k, g in gradients.items()}
    np.savez_compressed(target, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
