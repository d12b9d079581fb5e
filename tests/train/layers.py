"""How a layer of ``networks.py`` becomes an operator: its attributes, its weights and its constant arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Layer = Mapping[str, Any]
Shape = tuple[int, ...]

#: An input of the operator: an activation (its number), a weight (its key), a constant, or nothing.
Input = int | str | np.ndarray | None


@dataclass
class Parts:
    """An operator: attributes, inputs in order, and the shapes of the weights among them."""

    inputs: list[Input]
    attrs: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Shape] = field(default_factory=dict)
    outputs: int = 1


_PARTS: dict[str, Callable[[Layer, list[Shape]], Parts]] = {}


def _layer(*names: str) -> Callable[[Callable[[Layer, list[Shape]], Parts]], None]:
    def known(function: Callable[[Layer, list[Shape]], Parts]) -> None:
        _PARTS.update(dict.fromkeys(names, function))

    return known


def parts(layer: Layer, shapes: Sequence[Shape]) -> Parts:
    """The operator of a layer on activations of these shapes."""
    return _PARTS[layer["op"]](layer, list(shapes))


def _integers(values: Any) -> np.ndarray:
    return np.asarray(values, np.int32)


def _activation(layer: Layer) -> dict[str, Any]:
    return {"activation": layer.get("activation", "none")}


def _window(layer: Layer) -> dict[str, Any]:
    return {"stride_h": layer["stride"][0], "stride_w": layer["stride"][1], "padding": layer["padding"]}


@_layer("conv2d", "depthwise_conv2d")
def _convolution(layer: Layer, x: list[Shape]) -> Parts:
    (kh, kw), (dh, dw) = layer["filter"], layer.get("dilation", (1, 1))
    depth = x[0][3]
    if layer["op"] == "conv2d":
        channels = layer["channels"]
        w: Shape = (channels, kh, kw, depth // layer.get("groups", 1))
    else:
        channels = depth * layer.get("multiplier", 1)
        w = (1, kh, kw, channels)
    attrs = _window(layer) | _activation(layer) | {"dilation_h": dh, "dilation_w": dw, "bias_type": "default"}
    return _with_bias(layer, attrs, w, channels)


@_layer("fully_connected")
def _fully_connected(layer: Layer, x: list[Shape]) -> Parts:
    attrs = _activation(layer) | {"keep_dims": layer.get("keep_dims", False)}
    attrs |= {"weights_format": "default", "bias_type": "default"}
    return _with_bias(layer, attrs, (layer["channels"], x[0][-1]), layer["channels"])


@_layer("transpose_conv")
def _transpose_conv(layer: Layer, x: list[Shape]) -> Parts:
    attrs = _window(layer) | _activation(layer) | {"bias_type": "default"}
    found = _with_bias(layer, attrs, (layer["channels"], *layer["filter"], x[0][3]), layer["channels"])
    found.inputs += [None] * (3 - len(found.inputs))
    found.inputs.append(_integers([x[0][0], *layer["size"], layer["channels"]]))
    return found


def _with_bias(layer: Layer, attrs: dict[str, Any], w: Shape, channels: int) -> Parts:
    if not layer.get("bias", True):
        return Parts([0, "w"], attrs, {"w": w})
    return Parts([0, "w", "b"], attrs, {"w": w, "b": (channels,)})


@_layer("max_pool2d", "average_pool2d")
def _pool(layer: Layer, x: list[Shape]) -> Parts:
    del x
    size = {"filter_h": layer["filter"][0], "filter_w": layer["filter"][1]}
    return Parts([0], _window(layer) | _activation(layer) | size)


@_layer("add", "sub", "mul", "maximum", "minimum", "squared_difference")
def _binary(layer: Layer, x: list[Shape]) -> Parts:
    """Two activations, or one and ``vector`` (the shape of a weight) or ``value`` (a constant) on the side ``side``."""
    attrs: dict[str, Any] = _activation(layer) if layer["op"] in ("add", "sub", "mul") else {}
    attrs |= {"pot_scale_int16": False} if layer["op"] in ("add", "sub") else {}
    key = "g" if layer["op"] == "mul" else "b"
    if "vector" in layer:
        found = Parts([0, key], attrs, {key: tuple(layer["vector"])})
    elif "value" in layer:
        found = Parts([0, np.asarray(layer["value"], np.float32)], attrs)
    else:
        assert len(x) == 2, layer
        return Parts([0, 1], attrs)
    if layer.get("side", 1) == 0:
        found.inputs.reverse()
    return found


@_layer("prelu")
def _prelu(layer: Layer, x: list[Shape]) -> Parts:
    del x
    return Parts([0, "a"], {}, {"a": tuple(layer["alpha"])})


@_layer("batch_norm")
def _batch_norm(layer: Layer, x: list[Shape]) -> Parts:
    channels = x[0][-1]
    attrs = _activation(layer) | {"epsilon": layer["epsilon"], "momentum": layer["momentum"]}
    return Parts([0, "g", "b", "m"], attrs, {"g": (channels,), "b": (channels,), "m": (2, channels)})


@_layer("batch_matmul")
def _batch_matmul(layer: Layer, x: list[Shape]) -> Parts:
    del x
    attrs = {"adj_x": layer.get("adj_x", False), "adj_y": layer.get("adj_y", False)}
    if "matrix" in layer:
        return Parts([0, "w"], attrs, {"w": tuple(layer["matrix"])})
    return Parts([0, 1], attrs)


@_layer(
    *("relu", "relu6", "relu_n1_to_1", "logistic", "tanh", "hard_swish", "elu", "rsqrt", "neg", "square"),
    *("log_softmax", "l2_normalization"),
)
def _plain(layer: Layer, x: list[Shape]) -> Parts:
    del x
    return Parts([0], _activation(layer) if layer["op"] == "l2_normalization" else {})


@_layer("leaky_relu", "gelu", "softmax")
def _with_option(layer: Layer, x: list[Shape]) -> Parts:
    del x
    key, default = {"leaky_relu": ("alpha", 0.2), "gelu": ("approximate", False), "softmax": ("beta", 1.0)}[layer["op"]]
    return Parts([0], {key: layer.get(key, default)})


@_layer("mean", "sum")
def _reduction(layer: Layer, x: list[Shape]) -> Parts:
    del x
    return Parts([0, _integers(layer.get("axes", (1, 2)))], {"keep_dims": layer.get("keep_dims", False)})


@_layer("reshape")
def _reshape(layer: Layer, x: list[Shape]) -> Parts:
    return Parts([0], {"new_shape": tuple(layer.get("shape", (1, int(np.prod(x[0])))))})


@_layer("expand_dims")
def _expand_dims(layer: Layer, x: list[Shape]) -> Parts:
    del x
    return Parts([0, _integers([layer["axis"]])])


@_layer("squeeze")
def _squeeze(layer: Layer, x: list[Shape]) -> Parts:
    del x
    return Parts([0], {"squeeze_dims": tuple(layer["axes"])})


@_layer("transpose", "pad", "broadcast_to")
def _moved(layer: Layer, x: list[Shape]) -> Parts:
    del x
    key = {"transpose": "axes", "pad": "widths", "broadcast_to": "shape"}[layer["op"]]
    return Parts([0, _integers(layer[key])])


@_layer("padv2")
def _padv2(layer: Layer, x: list[Shape]) -> Parts:
    del x
    return Parts([0, _integers(layer["widths"]), np.float32(layer["value"]).reshape(1)])


@_layer("slice")
def _slice(layer: Layer, x: list[Shape]) -> Parts:
    del x
    return Parts([0, _integers(layer["begin"]), _integers(layer["size"])])


@_layer("strided_slice")
def _strided_slice(layer: Layer, x: list[Shape]) -> Parts:
    del x
    masks = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    attrs = {m: layer.get(m, 0) for m in masks} | {"offset": False}
    strides = layer.get("strides", [1] * len(layer["begin"]))
    return Parts([0, *(_integers(v) for v in (layer["begin"], layer["end"], strides))], attrs)


@_layer("concatenation", "pack")
def _joined(layer: Layer, x: list[Shape]) -> Parts:
    own = {"values_count": len(x)} if layer["op"] == "pack" else {"activation": "none"}
    return Parts(list(range(len(x))), {"axis": layer["axis"], **own})


@_layer("split")
def _split(layer: Layer, x: list[Shape]) -> Parts:
    del x
    return Parts([0, _integers([layer["axis"]])], {"num_splits": layer["count"]}, {}, layer["count"])


@_layer("unpack")
def _unpack(layer: Layer, x: list[Shape]) -> Parts:
    count = x[0][layer["axis"]]
    return Parts([0], {"axis": layer["axis"], "num": count}, {}, count)


@_layer("resize_nearest_neighbor", "resize_bilinear")
def _resize(layer: Layer, x: list[Shape]) -> Parts:
    del x
    attrs = {k: layer.get(k, False) for k in ("align_corners", "half_pixel_centers")}
    return Parts([0, _integers(layer["size"])], attrs)
