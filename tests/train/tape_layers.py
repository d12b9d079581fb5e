"""The layers of ``layers.py`` in TensorFlow, in float64.  Knows nothing of the code under test."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf


def activated(y: Any, name: str) -> Any:
    if name == "relu_n1_to_1":
        return tf.clip_by_value(y, -1.0, 1.0)
    return {"none": tf.identity, "relu": tf.nn.relu, "relu6": tf.nn.relu6}[name](y)


def windowed(layer: dict[str, Any], x: Any, product: Any) -> Any:
    """The sum over taps: float64 convolutions with groups or strides are not on every CPU build."""
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


def transposed(layer: dict[str, Any], x: Any, w: Any) -> Any:
    """TensorFlow's own: the gradient of a convolution; its filters are [height, width, out, in]."""
    filters = tf.transpose(w, [1, 2, 0, 3])
    shape = [x.shape[0], *layer["size"], layer["channels"]]
    return tf.nn.conv2d_transpose(x, filters, shape, layer["stride"], layer["padding"].upper())


def resized(layer: dict[str, Any], x: Any) -> Any:
    """The TFLite operators are those of ``tf.raw_ops``."""
    kind = tf.raw_ops.ResizeBilinear if layer["op"] == "resize_bilinear" else tf.raw_ops.ResizeNearestNeighbor
    options = {k: layer.get(k, False) for k in ("align_corners", "half_pixel_centers")}
    if layer["op"] == "resize_bilinear":
        return _bilinear(x, layer["size"], **options)
    return kind(images=x, size=layer["size"], **options)


def _bilinear(x: Any, size: list[int], **options: bool) -> Any:
    """ResizeBilinear gives float32: the linear map is read off unit images, and applied in float64."""
    matrices = []
    for n, m in zip(x.shape[1:3], size, strict=True):
        units = np.eye(n, dtype=np.float32).reshape(1, n, 1, n)
        matrices.append(tf.raw_ops.ResizeBilinear(images=units, size=[m, 1], **options).numpy()[0, :, 0])
    rows, columns = (m.astype(np.float64) for m in matrices)
    return tf.einsum("ri,cj,nijk->nrck", rows, columns, x)


def binary(layer: dict[str, Any], xs: list[Any], arrays: dict[str, Any]) -> Any:
    other = arrays.get("g", arrays.get("b"))
    if other is None and "value" in layer:
        other = tf.constant(layer["value"], tf.float64)
    pair = xs if other is None else [xs[0], other]
    if layer.get("side", 1) == 0:
        pair = pair[::-1]
    functions = {
        "add": tf.add, "sub": tf.subtract, "mul": tf.multiply, "maximum": tf.maximum, "minimum": tf.minimum,
        "squared_difference": tf.math.squared_difference,
    }  # fmt: skip
    return functions[layer["op"]](*pair)


def weighted(layer: dict[str, Any], x: Any, arrays: dict[str, Any]) -> Any:
    w, kind = arrays["w"], layer["op"]
    if kind == "fully_connected":
        y = tf.linalg.matmul(x, w, transpose_b=True)
    elif kind == "conv2d":
        y = windowed(layer, x, lambda r, c, seen: grouped(seen, w[:, r, c], layer.get("groups", 1)))
    elif kind == "depthwise_conv2d":
        m = layer.get("multiplier", 1)
        y = windowed(layer, x, lambda r, c, seen: tf.repeat(seen, m, axis=3) * w[0, r, c])
    else:
        y = transposed(layer, x, w)
    return y + arrays["b"] if "b" in arrays else y


def prelu(x: Any, alpha: Any) -> Any:
    """As Keras has it."""
    return tf.nn.relu(x) - alpha * tf.nn.relu(-x)


def batch_norm(layer: dict[str, Any], x: Any, arrays: dict[str, Any]) -> Any:
    """The statistics are constants of the step."""
    mean, variance = tf.unstack(tf.stop_gradient(arrays["m"]))
    return tf.nn.batch_normalization(x, mean, variance, arrays["b"], arrays["g"], layer["epsilon"])


def sliced(layer: dict[str, Any], x: Any) -> Any:
    masks = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    strides = layer.get("strides", [1] * len(layer["begin"]))
    return tf.strided_slice(x, layer["begin"], layer["end"], strides, **{m: layer.get(m, 0) for m in masks})


ACTIVATIONS = {
    "logistic": tf.math.sigmoid,
    "tanh": tf.math.tanh,
    "elu": tf.nn.elu,
    "rsqrt": tf.math.rsqrt,
    "neg": tf.negative,
    "square": tf.square,
    "log_softmax": tf.nn.log_softmax,
    "hard_swish": lambda x: x * tf.nn.relu6(x + 3) / 6,
    "l2_normalization": lambda x: tf.nn.l2_normalize(x, axis=-1),
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
    "relu_n1_to_1": lambda x: tf.clip_by_value(x, -1.0, 1.0),
}

FUNCTIONS = {
    "mean": lambda o, x: tf.reduce_mean(x, o.get("axes", (1, 2)), o.get("keep_dims", False)),
    "sum": lambda o, x: tf.reduce_sum(x, o.get("axes", (1, 2)), o.get("keep_dims", False)),
    "reshape": lambda o, x: tf.reshape(x, o.get("shape", [1, -1])),
    "expand_dims": lambda o, x: tf.expand_dims(x, o["axis"]),
    "squeeze": lambda o, x: tf.squeeze(x, o["axes"]),
    "transpose": lambda o, x: tf.transpose(x, o["axes"]),
    "pad": lambda o, x: tf.pad(x, o["widths"]),
    "padv2": lambda o, x: tf.pad(x, o["widths"], constant_values=o["value"]),
    "broadcast_to": lambda o, x: tf.broadcast_to(x, o["shape"]),
    "slice": lambda o, x: tf.slice(x, o["begin"], o["size"]),
    "strided_slice": sliced,
    "split": lambda o, x: tf.split(x, o["count"], o["axis"]),
    "unpack": lambda o, x: tf.unstack(x, axis=o["axis"]),
    "resize_nearest_neighbor": resized,
    "resize_bilinear": resized,
    "leaky_relu": lambda o, x: tf.nn.leaky_relu(x, o.get("alpha", 0.2)),
    "gelu": lambda o, x: tf.nn.gelu(x, o.get("approximate", False)),
    "softmax": lambda o, x: tf.nn.softmax(x * o.get("beta", 1.0)),
}


def layer_output(layer: dict[str, Any], xs: list[Any], arrays: dict[str, Any]) -> Any:
    """The output of a layer (a list, where it has several); ``arrays`` are its weights by key."""
    kind, x = layer["op"], xs[0]
    if kind in ("fully_connected", "conv2d", "depthwise_conv2d", "transpose_conv"):
        y = weighted(layer, x, arrays)
    elif kind in ("add", "sub", "mul", "maximum", "minimum", "squared_difference"):
        y = binary(layer, xs, arrays)
    elif kind in ("max_pool2d", "average_pool2d"):
        pool = tf.nn.max_pool2d if kind == "max_pool2d" else tf.nn.avg_pool2d
        y = pool(x, layer["filter"], layer["stride"], layer["padding"].upper())
    elif kind == "batch_matmul":
        second = arrays["w"] if "w" in arrays else xs[1]
        flags = {"transpose_a": layer.get("adj_x", False), "transpose_b": layer.get("adj_y", False)}
        y = tf.linalg.matmul(x, second, **flags)
    elif kind == "concatenation":
        y = tf.concat(xs, layer["axis"])
    elif kind == "pack":
        y = tf.stack(xs, layer["axis"])
    elif kind == "prelu":
        y = prelu(x, arrays["a"])
    elif kind == "batch_norm":
        y = batch_norm(layer, x, arrays)
    elif kind in ACTIVATIONS:
        y = ACTIVATIONS[kind](x)
    else:
        y = FUNCTIONS[kind](layer, x)
    return y if isinstance(y, list) else activated(y, layer.get("activation", "none"))
