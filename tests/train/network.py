"""Small networks as data: a list of layers that is turned into a graph here and into TensorFlow in ``tape.py``.

A layer is a dictionary: ``op`` and what the operator needs (``layers.py``).  Its input is the output of the layer
before, or of layer ``from`` (or of all in that list); ``with`` names one input more.  -1 is the network's input, and
"3.1" the second output of layer 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Graph, Op, Tensor, operator
from train.layers import Shape, parts

Layer = Mapping[str, Any]

#: Numbers are multiples of this, which keeps the committed file small.
STEP = 1 / 256


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


def references(layer: Layer, before: int) -> list[tuple[int, int]]:
    """``(layer, output)`` of every input of a layer; ``before`` is the layer in front of it."""
    source = layer.get("from", before)
    found = list(source) if isinstance(source, (list, tuple)) else [source]
    found += [layer["with"]] if "with" in layer else []
    pairs = (str(r).partition(".") for r in found)
    return [(int(index), int(part or 0)) for index, _, part in pairs]


def _weight(rng: np.random.Generator, key: str, shape: Shape, depthwise: bool) -> np.ndarray:
    """Random weights: biases are small, factors near 1, slopes near 1/4, statistics plausible."""
    fan = int(np.prod(shape[1:3] if depthwise else shape[1:]))
    center, spread = {"b": (0.0, 0.1), "g": (1.0, 0.3), "a": (0.25, 0.1)}.get(key, (0.0, 1.5 / np.sqrt(max(fan, 1))))
    if key == "m":
        return np.stack([rng.normal(0, 0.3, shape[1]), rng.uniform(0.5, 2, shape[1])])
    return rng.normal(center, spread, shape)


def _rounded(values: np.ndarray) -> np.ndarray:
    return (np.round(values / STEP) * STEP).astype(np.float32)


def build(network: Network) -> Graph:
    """The graph; weights that are not in ``network.arrays`` yet are made, as are the sample ``x`` and the ``label``."""
    rng = np.random.default_rng(sum(network.name.encode()))
    arrays = network.arrays
    graph = Graph(network.name)
    graph.add_tensor(Tensor("x", tuple(network.input), DType.FLOAT32))
    graph.inputs = ["x"]
    arrays.setdefault("x", _rounded(rng.normal(size=network.input)))
    names = [["x"]]
    for i, layer in enumerate(network.layers):
        inputs = [names[at + 1][part] for at, part in references(layer, i - 1)]
        names.append(_add_layer(graph, layer, i, inputs, arrays, rng))
    graph.outputs = names[-1][:1]
    y = graph.tensors[graph.outputs[0]]
    if network.loss == "softmax_cross_entropy":
        arrays.setdefault("label", rng.integers(0, y.shape[-1], y.elements // y.shape[-1]).astype(np.int32))
    else:
        arrays.setdefault("label", _rounded(rng.normal(0, 1.5, size=y.shape)))
    return graph


def _add_layer(
    graph: Graph,
    layer: Layer,
    i: int,
    activations: Sequence[str],
    arrays: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> list[str]:
    """Appends layer ``i``; returns the names of its outputs."""
    found = parts(layer, [graph.tensors[n].shape for n in activations])
    inputs: list[str | None] = []
    for k, item in enumerate(found.inputs):
        if isinstance(item, int):
            inputs.append(activations[item])
            continue
        name = f"{item}{i}" if isinstance(item, str) else f"c{i}.{k}"
        if isinstance(item, str):
            shape = found.weights[item]
            arrays.setdefault(name, _rounded(_weight(rng, item, shape, layer["op"] == "depthwise_conv2d")))
            graph.add_tensor(Tensor(name, shape, DType.FLOAT32, data=arrays[name]))
        elif item is not None:
            graph.add_tensor(Tensor(name, item.shape, DType.of(item), data=item))
        inputs.append(None if item is None else name)
    outputs = [f"{layer['op']}{i}" + (f".{k}" if k else "") for k in range(found.outputs)]
    for name in outputs:
        graph.add_tensor(Tensor(name, (), DType.FLOAT32))
    op = Op(outputs[0], layer["op"], tuple(inputs), tuple(outputs), found.attrs)
    for name, type in zip(outputs, operator(op.type).infer(graph.node(op)), strict=True):
        graph.tensors[name] = Tensor(name, type.shape, type.dtype)
    graph.ops.append(op)
    return outputs


class Stack:
    """Layers of a network in the making: a call appends one and returns its number."""

    def __init__(self) -> None:
        self.layers: list[dict[str, Any]] = []

    def __call__(self, layer: dict[str, Any], *inputs: int | str) -> int:
        self.layers.append(layer | ({"from": list(inputs)} if inputs else {}))
        return len(self.layers) - 1


def conv(channels: int, filter: tuple[int, int], **more: Any) -> dict[str, Any]:
    return {"op": "conv2d", "channels": channels, "filter": filter, "stride": (1, 1), "padding": "same", **more}


def depthwise(filter: tuple[int, int], **more: Any) -> dict[str, Any]:
    return {"op": "depthwise_conv2d", "filter": filter, "stride": (1, 1), "padding": "same", **more}


def transposed(channels: int, filter: tuple[int, int], size: tuple[int, int], **more: Any) -> dict[str, Any]:
    """A transposed convolution whose output is ``size`` pixels."""
    return {
        "op": "transpose_conv", "channels": channels, "filter": filter, "size": size, "stride": (2, 2),
        "padding": "same", **more,
    }  # fmt: skip


def pool(kind: str, filter: tuple[int, int], **more: Any) -> dict[str, Any]:
    return {"op": f"{kind}_pool2d", "filter": filter, "stride": filter, "padding": "valid", **more}


def dense(channels: int, **more: Any) -> dict[str, Any]:
    return {"op": "fully_connected", "channels": channels, **more}


def op(name: str, **more: Any) -> dict[str, Any]:
    return {"op": name, **more}
