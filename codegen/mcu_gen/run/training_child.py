"""TensorFlow as the oracle of training: ``PYTHON training_child.py FOLDER...``.

Runs in the Python that has TensorFlow, which need not have mcu-gen: this file imports nothing of it.  It interprets a
network operator by operator with TensorFlow's own functions and runs training steps with ``tf.GradientTape`` and
TensorFlow's losses and optimizers, in float64.  Convolutions are sums over the taps of the window, because strides,
dilations and groups are not in every CPU build of TensorFlow for float64.

``FOLDER/job.json`` holds the network, what is trained and how, ``FOLDER/arrays.npz`` the arrays (see
:mod:`mcu_gen.run.training_oracle`).  ``result.json`` and ``result.npz`` are left there.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

#: Exit status where TensorFlow cannot be imported.
MISSING = 90

#: The module ``tensorflow``, once :func:`main` has imported it.
tf: Any = None

#: One operator: its description (``attrs``, ``shapes`` of its outputs, ``quant`` of its inputs) and its inputs.
Op = Mapping[str, Any]
Function = Callable[[Op, list[Any]], Any]


# -- windows -----------------------------------------------------------------------------------------------------------


def _margins(op: Op, size: int, taps: int, axis: str, explicit: Sequence[int]) -> tuple[int, int, int, int, int]:
    """(before, after, outputs, stride, dilation) of a window along one axis, by TensorFlow's definition of padding."""
    attrs = op["attrs"]
    stride, dilation = attrs[f"stride_{axis}"], attrs.get(f"dilation_{axis}", 1)
    extent = (taps - 1) * dilation + 1
    if attrs["padding"] == "same":
        out = -(-size // stride)
        total = max(0, (out - 1) * stride + extent - size)
        return total // 2, total - total // 2, out, stride, dilation
    before, after = explicit if attrs["padding"] == "explicit" else (0, 0)
    return before, after, (size + before + after - extent) // stride + 1, stride, dilation


def _taps(op: Op, x: Any, height: int, width: int) -> Iterator[tuple[int, int, Any]]:
    """(row, column, what that tap sees [N, OH, OW, C]), zero outside the image."""
    pad = op["attrs"].get("pad", (0, 0, 0, 0))
    top, bottom, out_h, stride_h, dilation_h = _margins(op, x.shape[1], height, "h", pad[:2])
    left, right, out_w, stride_w, dilation_w = _margins(op, x.shape[2], width, "w", pad[2:])
    padded = tf.pad(x, [[0, 0], [top, bottom], [left, right], [0, 0]])
    for row in range(height):
        for column in range(width):
            y, z = row * dilation_h, column * dilation_w
            last_y, last_z = y + (out_h - 1) * stride_h + 1, z + (out_w - 1) * stride_w + 1
            yield row, column, padded[:, y:last_y:stride_h, z:last_z:stride_w]


def _conv2d(op: Op, x: list[Any]) -> Any:
    image, w, *bias = x
    outputs, height, width, depth = w.shape
    groups = image.shape[3] // depth
    total: Any = 0.0
    for row, column, seen in _taps(op, image, height, width):
        filters = w[:, row, column]
        if groups == 1:
            total += tf.einsum("nhwc,oc->nhwo", seen, filters)
        else:
            parts = tf.reshape(seen, [*seen.shape[:3], groups, depth])
            of_group = tf.reshape(filters, [groups, outputs // groups, depth])
            product = tf.einsum("nhwgc,goc->nhwgo", parts, of_group)
            total += tf.reshape(product, [*seen.shape[:3], outputs])
    return _biased(total, bias)


def _depthwise_conv2d(op: Op, x: list[Any]) -> Any:
    image, w, *bias = x
    _, height, width, channels = w.shape
    spread = tf.repeat(image, channels // image.shape[3], axis=3)
    return _biased(sum(seen * w[0, r, c] for r, c, seen in _taps(op, spread, height, width)), bias)


def _transpose_conv(op: Op, x: list[Any]) -> Any:
    image, w, *rest = x
    strides = [op["attrs"]["stride_h"], op["attrs"]["stride_w"]]
    filters = tf.transpose(w, [1, 2, 0, 3])
    y = tf.nn.conv2d_transpose(image, filters, op["shapes"][0], strides, op["attrs"]["padding"].upper())
    return _biased(y, rest[:1])


def _conv2d_grad_input(op: Op, x: list[Any]) -> Any:
    """A transposed convolution as the gradient that it is."""
    strides = [op["attrs"]["stride_h"], op["attrs"]["stride_w"]]
    filters = tf.transpose(x[1], [1, 2, 3, 0])
    return tf.nn.conv2d_transpose(x[0], filters, op["shapes"][0], strides, op["attrs"]["padding"].upper())


def _batch_norm(op: Op, x: list[Any]) -> Any:
    image, gamma, beta, statistics = x
    return tf.nn.batch_normalization(image, statistics[0], statistics[1], beta, gamma, op["attrs"]["epsilon"])


def _biased(y: Any, bias: Sequence[Any]) -> Any:
    return y + bias[0] if bias and bias[0] is not None else y


def _pool(op: Op, x: Any, function: Any) -> Any:
    attrs = op["attrs"]
    window, strides = [attrs["filter_h"], attrs["filter_w"]], [attrs["stride_h"], attrs["stride_w"]]
    return function(x, window, strides, attrs["padding"].upper())


def _max_pool2d(op: Op, x: list[Any]) -> Any:
    if op["attrs"]["padding"] != "explicit":
        return _pool(op, x[0], tf.nn.max_pool2d)
    top, bottom, left, right = op["attrs"]["pad"]
    padded = tf.pad(x[0], [[0, 0], [top, bottom], [left, right], [0, 0]], constant_values=-np.inf)
    return _pool({**op, "attrs": {**op["attrs"], "padding": "valid"}}, padded, tf.nn.max_pool2d)


def _average_pool2d(op: Op, x: list[Any]) -> Any:
    if op["attrs"]["padding"] != "explicit":
        return _pool(op, x[0], tf.nn.avg_pool2d)
    height, width = op["attrs"]["filter_h"], op["attrs"]["filter_w"]
    total = sum(seen for _, _, seen in _taps(op, x[0], height, width))
    return total / sum(seen for _, _, seen in _taps(op, tf.ones_like(x[0]), height, width))


def _resize(op: Op, x: list[Any], function: Any) -> Any:
    options = {k: op["attrs"][k] for k in ("align_corners", "half_pixel_centers")}
    return tf.cast(function(images=x[0], size=op["shapes"][0][1:3], **options), x[0].dtype)


# -- everything else ---------------------------------------------------------------------------------------------------


def _fully_connected(op: Op, x: list[Any]) -> Any:
    del op
    rows, w, *bias = x
    return _biased(tf.linalg.matmul(tf.reshape(rows, [-1, w.shape[1]]), w, transpose_b=True), bias)


def _batch_matmul(op: Op, x: list[Any]) -> Any:
    return tf.linalg.matmul(x[0], x[1], transpose_a=op["attrs"]["adj_x"], transpose_b=op["attrs"]["adj_y"])


def _l2_normalization(op: Op, x: list[Any]) -> Any:
    del op
    return tf.math.l2_normalize(x[0], axis=-1, epsilon=1e-12)


def _strided_slice(op: Op, x: list[Any]) -> Any:
    masks = {k: v for k, v in op["attrs"].items() if k.endswith("_mask")}
    return tf.strided_slice(x[0], *(np.asarray(v) for v in x[1:4]), **masks)


def _dequantize(op: Op, x: list[Any]) -> Any:
    quant = op["quant"][0]
    if quant is None:
        return x[0]
    along = [-1 if d == quant["axis"] else 1 for d in range(len(x[0].shape))] if quant["axis"] is not None else []
    scale, zero = (np.reshape(np.asarray(quant[k], np.float64), along) for k in ("scale", "zero_point"))
    return (tf.cast(x[0], tf.float64) - zero) * scale


def _reduced(op: Op, x: list[Any], function: Any) -> Any:
    """Over some axes, each of which may be named more than once."""
    axes = sorted({a % len(x[0].shape) for a in _axes(x[1])})
    return function(x[0], axes, keepdims=op["attrs"]["keep_dims"])


def _axes(x: Any) -> list[int]:
    return [int(a) for a in np.reshape(np.asarray(x), -1)]


#: What every operator means in TensorFlow.  Shapes, axes and other integer arguments are constants.
OPERATORS: dict[str, Function] = {
    "add": lambda op, x: x[0] + x[1],
    "average_pool2d": _average_pool2d,
    "batch_matmul": _batch_matmul,
    "batch_norm": _batch_norm,
    "broadcast_to": lambda op, x: tf.broadcast_to(x[0], op["shapes"][0]),
    "concatenation": lambda op, x: tf.concat(x, op["attrs"]["axis"]),
    "conv2d": _conv2d,
    "conv2d_grad_input": _conv2d_grad_input,
    "depthwise_conv2d": _depthwise_conv2d,
    "dequantize": _dequantize,
    "elu": lambda op, x: tf.nn.elu(x[0]),
    "expand_dims": lambda op, x: tf.reshape(x[0], op["shapes"][0]),
    "fully_connected": _fully_connected,
    "gelu": lambda op, x: tf.nn.gelu(x[0], approximate=op["attrs"]["approximate"]),
    "hard_swish": lambda op, x: x[0] * tf.nn.relu6(x[0] + 3.0) / 6.0,
    "l2_normalization": _l2_normalization,
    "leaky_relu": lambda op, x: tf.nn.leaky_relu(x[0], alpha=op["attrs"]["alpha"]),
    "log_softmax": lambda op, x: tf.nn.log_softmax(x[0]),
    "logistic": lambda op, x: tf.sigmoid(x[0]),
    "max_pool2d": _max_pool2d,
    "maximum": lambda op, x: tf.maximum(x[0], x[1]),
    "mean": lambda op, x: _reduced(op, x, tf.reduce_mean),
    "minimum": lambda op, x: tf.minimum(x[0], x[1]),
    "mul": lambda op, x: x[0] * x[1],
    "neg": lambda op, x: -x[0],
    "pack": lambda op, x: tf.stack(x, op["attrs"]["axis"]),
    "pad": lambda op, x: tf.pad(x[0], np.reshape(x[1], (-1, 2))),
    "padv2": lambda op, x: tf.pad(x[0], np.reshape(x[1], (-1, 2)), constant_values=tf.reshape(x[2], [])),
    "prelu": lambda op, x: tf.where(x[0] >= 0, x[0], x[0] * x[1]),
    "relu": lambda op, x: tf.nn.relu(x[0]),
    "relu6": lambda op, x: tf.nn.relu6(x[0]),
    "relu_n1_to_1": lambda op, x: tf.clip_by_value(x[0], -1.0, 1.0),
    "reshape": lambda op, x: tf.reshape(x[0], op["shapes"][0]),
    "resize_bilinear": lambda op, x: _resize(op, x, tf.raw_ops.ResizeBilinear),
    "resize_nearest_neighbor": lambda op, x: _resize(op, x, tf.raw_ops.ResizeNearestNeighbor),
    "rsqrt": lambda op, x: tf.math.rsqrt(x[0]),
    "slice": lambda op, x: tf.slice(x[0], _axes(x[1]), _axes(x[2])),
    "softmax": lambda op, x: tf.nn.softmax(x[0] * op["attrs"]["beta"]),
    "split": lambda op, x: tf.split(x[0], op["attrs"]["num_splits"], _axes(x[1])[0]),
    "square": lambda op, x: tf.square(x[0]),
    "squared_difference": lambda op, x: tf.math.squared_difference(x[0], x[1]),
    "squeeze": lambda op, x: tf.reshape(x[0], op["shapes"][0]),
    "strided_slice": _strided_slice,
    "sub": lambda op, x: x[0] - x[1],
    "sum": lambda op, x: _reduced(op, x, tf.reduce_sum),
    "tanh": lambda op, x: tf.tanh(x[0]),
    "to_half": lambda op, x: x[0],
    "transpose": lambda op, x: tf.transpose(x[0], _axes(x[1])),
    "transpose_conv": _transpose_conv,
    "unpack": lambda op, x: tf.unstack(x[0], axis=op["attrs"]["axis"]),
}

_CLAMPS = ("relu", "relu6", "relu_n1_to_1")


def _cross_entropy(y: Any, label: np.ndarray) -> Any:
    logits = tf.reshape(y, [-1, y.shape[-1]])
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(np.reshape(label, -1), logits))


#: Losses by name: (what the network ends with, label) -> scalar.
LOSSES: dict[str, Callable[[Any, np.ndarray], Any]] = {
    "softmax_cross_entropy": _cross_entropy,
    "mse": lambda y, t: tf.reduce_mean(tf.square(y - t)),
    "mae": lambda y, t: tf.reduce_mean(tf.abs(y - t)),
    "huber": lambda y, t: tf.reduce_mean(tf.keras.losses.huber(tf.reshape(t, [-1, 1]), tf.reshape(y, [-1, 1]))),
}


def forward(job: Mapping[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """All tensors of the network, from those of its inputs, constants and variables."""
    values = dict(values)
    for op in job["ops"]:
        y = OPERATORS[op["type"]](op, [None if n is None else values[n] for n in op["inputs"]])
        outputs = list(y) if isinstance(y, list | tuple) else [y]
        activation = op["attrs"].get("activation", "none")
        for name, shape, tensor in zip(op["outputs"], op["shapes"], outputs, strict=True):
            clamped = OPERATORS[activation](op, [tensor]) if activation in _CLAMPS else tensor
            values[name] = tf.reshape(clamped, shape)
    return values


def _optimizer(recipe: Mapping[str, Any]) -> Any:
    """TensorFlow's optimizer of a recipe."""
    decay = recipe["weight_decay"] or None
    kinds = tf.keras.optimizers
    if recipe["optimizer"] == "adam":
        betas = {"beta_1": recipe["beta_1"], "beta_2": recipe["beta_2"], "epsilon": recipe["epsilon"]}
        return kinds.Adam(recipe["rate"], weight_decay=decay, **betas)
    momentum = recipe["momentum"] if recipe["optimizer"] == "momentum" else 0.0
    return kinds.SGD(recipe["rate"], momentum=momentum, weight_decay=decay)


def _clipped(gradients: list[Any], norm: float) -> list[Any]:
    """Gradients whose global norm is at most ``norm``; 0 for any."""
    return tf.clip_by_global_norm(gradients, norm)[0] if norm else gradients


def _move(statistics: Any, x: Any, momentum: float) -> None:
    """Running mean and variance [2, C] of a stream: moments of all that was seen, weighted by momentum ** age."""
    mean, variance = tf.nn.moments(tf.reshape(x, [-1, x.shape[-1]]), [0])
    old, away = statistics[0], mean - statistics[0]
    spread = momentum * statistics[1] + (1 - momentum) * variance + momentum * (1 - momentum) * away**2
    statistics.assign(tf.stack([momentum * old + (1 - momentum) * mean, spread]))


def train(job: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Runs the steps of a job: losses, weights after the steps ``keep``, gradients of the steps ``gradients``."""
    recipe, batch = job["recipe"], job["recipe"]["batch"]
    values = {n: _value(arrays[f"c/{i}"]) for i, n in enumerate(job["constants"])}
    variables = {n: tf.Variable(arrays[f"v/{i}"].astype(np.float64)) for i, n in enumerate(job["variables"])}
    learnt = {n: v for n, v in variables.items() if n not in {s["variable"] for s in job["statistics"]}}
    labels = arrays["label"].astype(np.float64 if arrays["label"].dtype.kind == "f" else np.int32)
    optimizer = _optimizer(recipe)
    optimizer.build(list(learnt.values()))
    found: dict[str, np.ndarray] = {}
    losses, total = [], [tf.zeros_like(v) for v in learnt.values()]
    for step, sample in enumerate(job["order"], 1):
        inputs = {n: _value(arrays[f"in/{i}"][sample]) for i, n in enumerate(job["inputs"])}
        with tf.GradientTape() as tape:
            tensors = forward(job, {**values, **variables, **inputs})
            loss = LOSSES[recipe["loss"]](tensors[job["end"]], labels[sample])
        losses.append(float(loss))
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(loss, list(learnt.values()), unconnected_gradients=zero)
        total = [t + g for t, g in zip(total, gradients, strict=True)]
        skip = job["left_out"].get(str(step), [])
        for moving in (s for s in job["statistics"] if s["variable"] not in skip):
            _move(variables[moving["variable"]], tensors[moving["x"]], moving["momentum"])
        if step % batch == 0:
            mean = _clipped([t / batch for t in total], recipe["clip"])
            if step in job["gradients"]:
                found |= {f"g/{step}/{n}": g.numpy() for n, g in zip(_indices(job, learnt), mean, strict=True)}
            pairs = [(g, v) for g, n, v in zip(mean, learnt, learnt.values(), strict=True) if n not in skip]
            if pairs:
                optimizer.apply_gradients(pairs)
            total = [tf.zeros_like(v) for v in learnt.values()]
        if step in job["keep"]:
            found |= {f"w/{step}/{i}": v.numpy() for i, v in enumerate(variables.values())}
    return {**found, "loss": np.array(losses)}


def _indices(job: Mapping[str, Any], names: Mapping[str, Any]) -> list[int]:
    """Where the variables ``names`` are among those of the job."""
    return [job["variables"].index(n) for n in names]


def _value(array: np.ndarray) -> Any:
    """Real numbers as float64 tensors; integers, which are arguments or codes, as they are."""
    return tf.constant(array, tf.float64) if array.dtype.kind == "f" else array


def run(folder: Path) -> None:
    """Does the job of ``folder``."""
    job = json.loads((folder / "job.json").read_text())
    with np.load(folder / "arrays.npz", allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    result: dict[str, Any] = {"status": "ok", "version": tf.__version__}
    try:
        found = train(job, arrays)
        with (folder / "result.npz").open("wb") as file:
            np.savez(file, **found)  # type: ignore[arg-type]
    except Exception as error:  # whatever TensorFlow raises is its answer
        result |= {"status": "error", "message": traceback.format_exception_only(error)[-1].strip()}
    (folder / "result.json").write_text(json.dumps(result))


def main(folders: Sequence[str]) -> int:
    """Does the jobs of some folders, one after the other."""
    global tf
    try:
        tf = importlib.import_module("tensorflow")
    except ImportError as error:
        sys.stderr.write(f"{error}\n")
        return MISSING
    for folder in folders:
        run(Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
