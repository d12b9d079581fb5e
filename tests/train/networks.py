"""The networks that every gradient rule is tested with."""

from __future__ import annotations

from typing import Any

import numpy as np

from train.network import Network, Stack, build, conv, dense, depthwise, op, pool, transposed

__all__ = ["NETWORKS", "Network", "build", "conv", "dense", "depthwise", "op", "pool"]

_END = [op("reshape"), dense(5), op("softmax")]

_MEAN = [op("mean"), dense(5), op("softmax")]

#: Layers with weights, and windows of every kind.
_WEIGHTED = [
    Network("mlp", (1, 13), [dense(7, activation="relu"), dense(5), op("softmax")]),
    Network("mae", (2, 6), [dense(5, activation="relu"), dense(3)], "mae"),
    Network("huber", (2, 6), [dense(5, activation="relu"), dense(7)], "huber"),
    Network("rows", (3, 9), [dense(6, activation="relu6"), dense(4, bias=False), op("softmax")]),
    Network("regression", (2, 6), [dense(5, activation="relu_n1_to_1"), dense(3)], "mse"),
    Network("autoencoder", (1, 12), [dense(4, activation="relu"), dense(12)], "mse"),
    Network("logits", (1, 7), [dense(6), op("relu6"), dense(3)], "softmax_cross_entropy"),
    Network("conv", (1, 6, 5, 3), [conv(4, (3, 3), activation="relu"), conv(6, (3, 3)), *_END]),
    Network("strides", (1, 9, 8, 2), [conv(5, (3, 2), stride=(2, 3)), conv(3, (2, 2), stride=(2, 1)), *_END]),
    Network("valid", (1, 8, 9, 2), [conv(5, (3, 3), padding="valid"), conv(3, (3, 4), padding="valid"), *_END]),
    Network("dilation", (1, 9, 9, 2), [conv(4, (3, 3), dilation=(2, 3)), conv(3, (2, 2), dilation=(2, 2)), *_END]),
    Network("groups", (1, 5, 5, 6), [conv(6, (3, 3), groups=3), conv(8, (1, 1), groups=2), *_END]),
    Network("pointwise", (1, 4, 4, 5), [conv(9, (1, 1), activation="relu6"), conv(7, (1, 1), bias=False), *_END]),
    Network("large window", (1, 3, 2, 2), [conv(4, (5, 6)), conv(3, (5, 4)), *_END]),
    Network("depthwise", (1, 7, 6, 4), [depthwise((3, 3), activation="relu"), depthwise((2, 3)), *_END]),
    Network("multiplier", (1, 6, 6, 3), [depthwise((3, 3), multiplier=2), depthwise((3, 2), multiplier=3), *_MEAN]),
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

#: A feature map with some channels in front of a classifier.
_MAP = (1, 5, 4, 3)


def _functions() -> list[Network]:
    """Functions of one input, over both of their branches; three to a network."""
    alone = ("relu_n1_to_1", "logistic", "tanh", "hard_swish", "elu", "log_softmax", "l2_normalization")
    layers = [op("softmax", beta=2.5), *(op(name) for name in alone)]
    layers += [op("leaky_relu", alpha=a) for a in (0.2, -0.5)] + [op("gelu", approximate=a) for a in (False, True)]
    layers += [op("prelu", alpha=shape) for shape in ((9,), (2, 9), (1,))]
    found = []
    for i in range(0, len(layers), 3):
        chain = [part for layer in layers[i : i + 3] for part in (dense(9), op("mul", value=2.0), layer)]
        found.append(Network(f"functions {i}", (2, 6), [*chain, dense(4), op("softmax")]))
    least = [dense(9), op("mul", value=2e-7), op("l2_normalization"), dense(4), op("softmax")]
    return [*found, Network("norms near their least value", (4, 6), least)]


def _binaries() -> list[Network]:
    """Two activations that broadcast in every way, on either side."""
    found = []
    shapes = [(1, 5, 4, 4), (1, 1, 1, 4), (1, 5, 4, 1), (5, 1, 1), (4,)]
    for name in ("add", "sub", "mul", "squared_difference", "maximum", "minimum"):
        s = Stack()
        x = s(conv(4, (3, 3)))
        flat = s(op("logistic"), s(op("reshape"), x))
        for i, shape in enumerate(shapes):
            narrow = flat
            if shape != shapes[0]:
                narrow = s(op("slice", begin=[0, i], size=[1, int(np.prod(shape))]), flat)
            other = s(op("reshape", shape=shape), narrow) if shape != shapes[0] else s(op("tanh"), x)
            more = {"activation": "relu6"} if i == 3 and name in ("add", "sub", "mul") else {}
            x = s(op(name, **more), *((other, x) if i % 2 else (x, other)))
            x = s(op("mul", value=0.2), x) if name == "squared_difference" else x
        found.append(Network(name, _MAP, s.layers + _END))
    outer = Stack()
    x = outer(dense(6))
    outer(op("mul"), outer(op("reshape", shape=(1, 6, 1)), x), outer(op("reshape", shape=(1, 1, 6)), x))
    found.append(Network("outer product", (1, 5), outer.layers + _END))
    return found


def _affine() -> list[Network]:
    """Factors and offsets of channels, trained or not."""
    behind = [op("mul", vector=(4,)), op("add", vector=(1, 1, 1, 4), activation="relu6"), conv(4, (2, 2))]
    before = [op("sub", vector=(4,), side=0), op("mul", vector=(1, 1, 4), side=0), op("sub", vector=(1, 4))]
    fixed = [op("add", value=0.25), op("mul", value=-0.5), op("sub", value=0.75, side=0)]
    masked = [op("mul", value=[[1.0], [0.0], [2.0], [1.0]]), op("maximum", value=0.1), op("minimum", value=0.5)]
    spread = [
        op("mean", axes=(3,), keep_dims=True), op("mul", vector=(4,)), op("mean", axes=(1, 2), keep_dims=True),
        op("sub", vector=(1, 1, 4)),
    ]  # fmt: skip
    norm = op("batch_norm", epsilon=1e-3, momentum=0.9, activation="relu")
    lists = {"affine": [*behind, *before], "constants": [*fixed, *masked], "spread": spread, "batch norm": [norm]}
    return [Network(name, _MAP, [conv(4, (3, 3)), *layers, *_END]) for name, layers in lists.items()]


def _movements() -> list[Network]:
    lists: dict[str, list[dict[str, Any]]] = {
        "pads": [
            op("pad", widths=[[0, 0], [1, 2], [0, 1], [2, 0]]), conv(3, (2, 2)),
            op("padv2", widths=[[0, 0], [1, 0], [0, 1], [0, 0]], value=-1.5), conv(4, (2, 2)),
            op("slice", begin=[0, 1, 0, 2], size=[1, 3, -1, 1]),
        ],
        "subscripts": [
            op("strided_slice", begin=[0, 1, -3, 0], end=[1, 2, 9, 3], begin_mask=1, end_mask=4, shrink_axis_mask=2),
            op("strided_slice", begin=[0, 0, 1], end=[0, 0, 3], new_axis_mask=2, ellipsis_mask=1),
            op("square"),
        ],
        "axes": [
            op("transpose", axes=[0, 3, 1, 2]), op("expand_dims", axis=1), op("squeeze", axes=[0]),
            op("broadcast_to", shape=[2, 4, 5, 4]), op("tanh"), op("sum", axes=(0, 2)), op("reshape", shape=(1, 16)),
            op("broadcast_to", shape=[3, 1, 16]), op("reshape", shape=(1, 48)),
        ],
        "nearest": [
            op("resize_nearest_neighbor", size=[10, 12]), conv(2, (2, 2)),
            op("resize_nearest_neighbor", size=[7, 3], half_pixel_centers=True), op("tanh"),
            op("resize_nearest_neighbor", size=[9, 5], align_corners=True),
        ],
        "bilinear": [
            op("resize_bilinear", size=[8, 7], half_pixel_centers=True), op("tanh"),
            op("resize_bilinear", size=[3, 9], align_corners=True),
        ],
    }  # fmt: skip
    return [Network(name, _MAP, [conv(4, (3, 3)), *layers, *_END]) for name, layers in lists.items()] + _parts()


def _parts() -> list[Network]:
    """Operators with several inputs, and with several outputs, of which some are unused."""
    join = Stack()
    x = join(conv(3, (3, 3)))
    for axis, shape in ((1, (1, 2, 4, 3)), (2, (1, 7, 1, 3)), (-1, (1, 7, 5, 2))):
        y = join(op("slice", begin=[0, 0], size=[1, int(np.prod(shape))]), join(op("reshape"), x))
        y = join(op("reshape", shape=shape), y)
        x = join(op("concatenation", axis=axis), *((y, x) if axis == 2 else (x, y)))
    join(op("concatenation", axis=3), x, x)
    split = Stack()
    split(conv(6, (3, 3)))
    cut = split(op("split", axis=3, count=3))
    split(op("mul"), split(op("relu"), cut), f"{cut}.2")
    cut = split(op("unpack", axis=2))
    split(op("pack", axis=1), f"{cut}.3", split(op("tanh"), f"{cut}.1"), f"{cut}.3")
    return [Network("join", _MAP, join.layers + _MEAN), Network("split", _MAP, split.layers + _END)]


def _reductions() -> list[Network]:
    lists = {
        "means": [
            op("mean", axes=(2, 1), keep_dims=True), conv(40, (1, 1)), op("reshape", shape=(1, 2, 5, 4)),
            conv(4, (2, 2)), op("mean", axes=(1,)), op("square"), op("mean", axes=(-1,), keep_dims=True), op("neg"),
        ],
        "sums": [op("tanh"), op("sum", axes=(1, 3)), op("logistic"), op("sum", axes=(1,), keep_dims=True)],
        "rsqrt": [op("square"), op("mean", axes=(3,)), op("add", value=0.01), op("rsqrt"), op("mean", axes=(0, 2))],
    }  # fmt: skip
    return [Network(name, _MAP, [conv(4, (3, 3)), *layers, *_END]) for name, layers in lists.items()]


def _products() -> list[Network]:
    s = Stack()
    flat = s(dense(20))
    parts = []
    for adj_x, adj_y in ((False, False), (False, True), (True, False), (True, True)):
        flat = s(op("tanh"), flat)
        a = s(op("reshape", shape=(2, 5, 2) if adj_x else (2, 2, 5)), flat)
        b = s(op("reshape", shape=(2, 2, 5) if adj_y else (2, 5, 2)), s(op("neg"), flat))
        parts.append(s(op("batch_matmul", adj_x=adj_x, adj_y=adj_y), a, b))
    s(op("concatenation", axis=0), *parts)
    wide = Stack()
    x = wide(dense(12))
    a, b = (wide(op("reshape", shape=shape), x) for shape in ((2, 1, 3, 2), (3, 2, 2)))
    wide(op("batch_matmul"), a, b)
    wide(op("batch_matmul", matrix=(2, 5)))
    wide(op("batch_matmul", matrix=(3, 5), adj_y=True))
    up = [
        transposed(3, (3, 3), (10, 8), activation="relu"),
        transposed(2, (2, 3), (11, 17), padding="valid", stride=(1, 2), bias=False),
        transposed(1, (3, 2), (11, 17), stride=(1, 1), bias=False, activation="relu6"),
    ]
    return [
        Network("products", (1, 6), s.layers + _END),
        Network("products of weights", (1, 6), wide.layers + _END),
        Network("transpose conv", _MAP, [conv(2, (3, 3)), *up, *_END]),
    ]


def layer_norm(s: Stack, x: int, channels: int) -> int:
    """Layer normalization as Keras exports it: factor and offset are constants of a MUL and an ADD."""
    mean = s(op("mean", axes=(-1,), keep_dims=True), x)
    variance = s(op("mean", axes=(-1,), keep_dims=True), s(op("squared_difference"), x, mean))
    inverse = s(op("rsqrt"), s(op("add", value=1e-3), variance))
    factor = s(op("mul", vector=(1, 1, channels)), inverse)
    offset = s(op("add", vector=(channels,)), s(op("mul"), s(op("neg"), mean), factor))
    return s(op("add"), s(op("mul"), x, factor), offset)


def transformer(name: str, tokens: int = 5, channels: int = 6, heads: int = 2) -> Network:
    """A block of a transformer: layer normalization, attention, layer normalization, GELU, and a classifier."""
    s, depth = Stack(), channels // heads

    def projected(x: int, bias: bool) -> int:
        y = s(dense(channels, keep_dims=True, bias=bias), x)
        return s(op("transpose", axes=[0, 2, 1, 3]), s(op("reshape", shape=(1, tokens, heads, depth)), y))

    x = s(dense(channels, keep_dims=True))
    h = layer_norm(s, x, channels)
    q, k, v = (projected(h, bias) for bias in (True, False, True))  # softmax does not see a bias of the keys
    scores = s(op("mul", value=depth**-0.5), s(op("batch_matmul", adj_y=True), q, k))
    mixed = s(op("batch_matmul"), s(op("softmax"), scores), v)
    merged = s(op("reshape", shape=(1, tokens, channels)), s(op("transpose", axes=[0, 2, 1, 3]), mixed))
    x = s(op("add"), x, s(dense(channels, keep_dims=True), merged))
    h = s(dense(2 * channels, keep_dims=True), layer_norm(s, x, channels))
    x = s(op("add"), x, s(dense(channels, keep_dims=True), s(op("gelu"), h)))
    s(op("mean", axes=(1,)), x)
    return Network(name, (1, tokens, 4), [*s.layers, dense(4), op("softmax")])


def mobile_block(name: str, size: int = 5) -> Network:
    """An inverted residual with hard-swish and squeeze-and-excitation, as in MobileNetV3."""
    s = Stack()
    x = s(conv(4, (3, 3), stride=(2, 2)))
    x = s(op("hard_swish"), x)
    h = s(op("hard_swish"), s(conv(8, (1, 1)), x))
    h = s(op("hard_swish"), s(depthwise((3, 3)), h))
    gate = s(conv(3, (1, 1), activation="relu"), s(op("mean", keep_dims=True), h))
    gate = s(op("mul", value=1 / 6), s(op("relu6"), s(op("add", value=3.0), s(conv(8, (1, 1)), gate))))
    x = s(op("add"), x, s(conv(4, (1, 1)), s(op("mul"), h, gate)))
    return Network(name, (1, 2 * size, 2 * size - 1, 2), [*s.layers, op("mean"), dense(4), op("softmax")])


#: Every gradient rule.
NETWORKS = [
    *_WEIGHTED, *_functions(), *_binaries(), *_affine(), *_movements(), *_reductions(), *_products(),
    transformer("transformer"), mobile_block("mobile block"),
]  # fmt: skip
