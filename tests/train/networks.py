"""Small networks as data: a list of layers that is turned into a graph here and into TensorFlow in ``tape.py``.

A layer is a dictionary: ``op`` and what the operator needs.  Its input is the output of the layer before, or of layer
``from``; ``add`` takes the output of layer ``with`` as well (-1 is the network's input).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Graph, Op, Tensor, operator

Layer = Mapping[str, Any]


@dataclass
class Network:
    """Layers with weights, a sample, a label and the loss."""

    name: str
    input: tuple[int, ...]
    layers: list[dict[str, Any]]
    loss: str = "softmax_cross_entropy"
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Everything but the arrays, JSON-ready."""
        return {"name": self.name, "input": list(self.input), "layers": self.layers, "loss": self.loss}


def weight_shapes(layer: Layer, x: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights ``w`` and ``b`` of a layer on an input of shape ``x``."""
    w: tuple[int, ...]
    if layer["op"] == "conv2d":
        kh, kw = layer["filter"]
        w = (layer["channels"], kh, kw, x[3] // layer.get("groups", 1))
    elif layer["op"] == "depthwise_conv2d":
        kh, kw = layer["filter"]
        w = (1, kh, kw, x[3] * layer.get("multiplier", 1))
    elif layer["op"] == "fully_connected":
        w = (layer["channels"], x[-1])
    else:
        return {}
    bias = {"b": (w[3] if layer["op"] == "depthwise_conv2d" else w[0],)}
    return {"w": w, **(bias if layer.get("bias", True) else {})}


def _attributes(layer: Layer, x: Sequence[int]) -> dict[str, Any]:
    attrs: dict[str, Any] = {"activation": layer.get("activation", "none"), "bias_type": "default"}
    if "stride" in layer:
        attrs |= {"stride_h": layer["stride"][0], "stride_w": layer["stride"][1], "padding": layer["padding"]}
    if layer["op"] in ("conv2d", "depthwise_conv2d"):
        dilation = layer.get("dilation", (1, 1))
        attrs |= {"dilation_h": dilation[0], "dilation_w": dilation[1]}
    elif layer["op"].endswith("pool2d"):
        attrs |= {"filter_h": layer["filter"][0], "filter_w": layer["filter"][1]}
    elif layer["op"] == "fully_connected":
        attrs |= {"keep_dims": False, "weights_format": "default"}
    elif layer["op"] == "reshape":
        attrs |= {"new_shape": (1, int(np.prod(x)))}
    elif layer["op"] == "softmax":
        attrs |= {"beta": 1.0}
    elif layer["op"] == "mean":
        attrs |= {"keep_dims": False}
    elif layer["op"] == "add":
        attrs |= {"pot_scale_int16": False}
    return attrs


def build(network: Network) -> Graph:
    """The graph; weights that are not in ``network.arrays`` yet are made, as are the sample ``x`` and the ``label``."""
    rng = np.random.default_rng(sum(network.name.encode()))
    arrays = network.arrays
    graph = Graph(network.name)
    graph.add_tensor(Tensor("x", tuple(network.input), DType.FLOAT32))
    graph.inputs = ["x"]
    arrays.setdefault("x", rng.normal(size=network.input).astype(np.float32))
    names = ["x"]
    for i, layer in enumerate(network.layers):
        x = graph.tensors[names[layer.get("from", i - 1) + 1]]
        inputs = [x.name]
        for key, shape in weight_shapes(layer, x.shape).items():
            name = f"{key}{i}"
            fan = int(np.prod(shape[1:3] if layer["op"] == "depthwise_conv2d" else shape[1:]))
            scale = 0.1 if key == "b" else 1.5 / np.sqrt(fan)
            arrays.setdefault(name, rng.normal(0, scale, shape).astype(np.float32))
            graph.add_tensor(Tensor(name, shape, DType.FLOAT32, data=arrays[name]))
            inputs.append(name)
        if layer["op"] == "add":
            inputs.append(names[layer["with"] + 1])
        if layer["op"] == "mean":
            graph.add_tensor(Tensor(f"axes{i}", (2,), DType.INT32, data=np.array([1, 2], np.int32)))
            inputs.append(f"axes{i}")
        out = f"{layer['op']}{i}"
        graph.add_tensor(Tensor(out, (), DType.FLOAT32))
        op = Op(out, layer["op"], tuple(inputs), (out,), _attributes(layer, x.shape))
        (found,) = operator(op.type).infer(graph.node(op))
        graph.tensors[out] = Tensor(out, found.shape, found.dtype)
        graph.ops.append(op)
        names.append(out)
    graph.outputs = [names[-1]]
    y = graph.tensors[names[-1]]
    if network.loss == "mse":
        arrays.setdefault("label", rng.normal(size=y.shape).astype(np.float32))
    else:
        arrays.setdefault("label", rng.integers(0, y.shape[-1], y.elements // y.shape[-1]).astype(np.int32))
    return graph


def conv(channels: int, filter: tuple[int, int], **more: Any) -> dict[str, Any]:
    return {"op": "conv2d", "channels": channels, "filter": filter, "stride": (1, 1), "padding": "same", **more}


def depthwise(filter: tuple[int, int], **more: Any) -> dict[str, Any]:
    return {"op": "depthwise_conv2d", "filter": filter, "stride": (1, 1), "padding": "same", **more}


def pool(kind: str, filter: tuple[int, int], **more: Any) -> dict[str, Any]:
    return {"op": f"{kind}_pool2d", "filter": filter, "stride": filter, "padding": "valid", **more}


def dense(channels: int, **more: Any) -> dict[str, Any]:
    return {"op": "fully_connected", "channels": channels, **more}


def op(name: str, **more: Any) -> dict[str, Any]:
    return {"op": name, **more}


_END = [op("reshape"), dense(5), op("softmax")]

#: Every gradient rule, and windows of every kind.
NETWORKS = [
    Network("mlp", (1, 13), [dense(7, activation="relu"), dense(5), op("softmax")]),
    Network("rows", (3, 9), [dense(6, activation="relu6"), dense(4, bias=False), op("softmax")]),
    Network("regression", (2, 6), [dense(5, activation="relu_n1_to_1"), dense(3)], "mse"),
    Network("autoencoder", (1, 12), [dense(4, activation="relu"), dense(12)], "mse"),
    Network("logits", (1, 8), [dense(6), op("relu6"), dense(3)], "softmax_cross_entropy"),
    Network("conv", (1, 6, 5, 3), [conv(4, (3, 3), activation="relu"), conv(6, (3, 3)), *_END]),
    Network("strides", (1, 9, 8, 2), [conv(5, (3, 2), stride=(2, 3)), conv(3, (2, 2), stride=(2, 1)), *_END]),
    Network("valid", (1, 8, 9, 2), [conv(5, (3, 3), padding="valid"), conv(3, (3, 4), padding="valid"), *_END]),
    Network("dilation", (1, 9, 9, 2), [conv(4, (3, 3), dilation=(2, 3)), conv(3, (2, 2), dilation=(2, 2)), *_END]),
    Network("groups", (1, 5, 5, 6), [conv(6, (3, 3), groups=3), conv(8, (1, 1), groups=2), *_END]),
    Network("pointwise", (1, 4, 4, 5), [conv(9, (1, 1), activation="relu6"), conv(7, (1, 1), bias=False), *_END]),
    Network("large window", (1, 3, 2, 2), [conv(4, (5, 6)), conv(3, (5, 4)), *_END]),
    Network("depthwise", (1, 7, 6, 4), [depthwise((3, 3), activation="relu"), depthwise((2, 3)), *_END]),
    Network("multiplier", (1, 6, 6, 3), [depthwise((3, 3), multiplier=2), depthwise((3, 2), multiplier=3), *_END]),
    Network(
        "depthwise strides", (1, 9, 9, 2),
        [depthwise((3, 3), stride=(2, 2)), depthwise((3, 3), padding="valid"), *_END],
    ),
    Network("depthwise dilation", (1, 9, 9, 2), [depthwise((3, 3), dilation=(2, 2)), depthwise((2, 2)), *_END]),
    Network("max pool", (1, 7, 8, 3), [conv(4, (3, 3)), pool("max", (2, 2)), *_END]),
    Network(
        "max pool overlapping", (1, 7, 8, 3),
        [conv(4, (3, 3)), pool("max", (3, 2), stride=(2, 1), padding="same"), *_END],
    ),
    Network("average pool", (1, 6, 6, 3), [conv(4, (3, 3)), pool("average", (2, 3), activation="relu"), *_END]),
    Network(
        "average pool same", (1, 7, 5, 2),
        [conv(3, (3, 3)), pool("average", (3, 3), stride=(2, 2), padding="same"), *_END],
    ),
    Network("mean", (1, 5, 6, 3), [conv(4, (3, 3), activation="relu"), op("mean"), dense(5), op("softmax")]),
    Network(
        "residual", (1, 6, 6, 3),
        [conv(4, (3, 3), activation="relu"), conv(4, (3, 3)), op("add", **{"with": 0, "activation": "relu"}), *_END],
    ),
    Network(
        "doubled", (1, 5, 5, 2),
        [conv(3, (3, 3)), op("add", **{"with": 0}), op("relu"), conv(3, (1, 1)), op("add", **{"with": 2}), *_END],
    ),
]  # fmt: skip
