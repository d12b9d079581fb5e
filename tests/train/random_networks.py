"""Random networks, as data: chains of layers with weights, and graphs of all operators that have a gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from train.network import Network, Stack, build, conv, dense, depthwise, op, pool

Shape = tuple[int, ...]

#: Elements of a tensor, at most.
LARGEST = 150


def random_chain(seed: int) -> Network:
    """A few layers of random kinds and shapes."""
    rng = np.random.default_rng(seed)

    def pick(*values: int) -> int:
        return int(rng.choice(values))

    layers = []
    height, width = pick(6, 7, 9), pick(6, 8, 11)
    for _ in range(pick(1, 2, 3)):
        window = {"stride": (pick(1, 1, 2), pick(1, 1, 2)), "padding": "same"}
        window |= {"activation": str(rng.choice(["none", "relu", "relu6"]))}
        kind = pick(0, 1, 2, 3)
        if kind == 0:
            layers.append(conv(pick(1, 3, 4, 6), (pick(1, 2, 3), pick(1, 3)), **window))
        elif kind == 1:
            layers.append(depthwise((pick(1, 2, 3), pick(2, 3)), multiplier=pick(1, 2), **window))
        else:
            layers.append(pool("max" if kind == 2 else "average", (2, pick(2, 3)), **window))
    layers.append(conv(3, (2, 2)))
    layers += [op("mean"), dense(4), op("softmax")] if pick(0, 1) else [op("reshape"), dense(4), op("softmax")]
    return Network(f"random{seed}", (1, height, width, pick(1, 3, 5)), layers)


class _Growth:
    """A graph that grows by random operators on random tensors of it."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.stack = Stack()
        self.input: Shape = (1, self.pick(3, 4, 5), self.pick(2, 3, 4), self.pick(2, 3))
        #: shapes of the tensors, by what layers call them
        self.shapes: dict[int | str, Shape] = {}
        self.unused: set[int | str] = set()
        self.put(conv(self.pick(3, 4), (2, 3)), -1)

    def pick(self, *values: Any) -> Any:
        return values[int(self.rng.integers(len(values)))]

    def put(self, layer: dict[str, Any], *inputs: int | str) -> int:
        """Appends a layer; returns its number."""
        at = self.stack(layer, *inputs)
        graph = build(Network("growing", self.input, [dict(x) for x in self.stack.layers]))
        for k, name in enumerate(graph.ops[at].outputs):
            self.shapes[f"{at}.{k}" if k else at] = graph.tensors[name].shape
            self.unused.add(f"{at}.{k}" if k else at)
        self.unused -= set(inputs)
        return at

    def squashed(self, at: int) -> None:
        """Keeps what may grow small: where tanh is flat, its slope is lost in the rounding of float32."""
        self.put(op("tanh"), self.put(op("mul", value=0.3), at))

    def tensor(self, fits: Callable[[Shape], bool] = lambda shape: True) -> int | str | None:
        """A random tensor whose shape fits, rather a recent one."""
        found = [n for n, shape in self.shapes.items() if fits(shape)]
        if not found:
            return None
        return found[max(self.rng.integers(len(found)), self.rng.integers(len(found)))]

    def step(self) -> None:
        kind = self.pick(_function, _function, _binary, _binary, _binary, _affine, _reduction, _movement, _movement,
                         _join, _parts, _window, _product)  # fmt: skip
        kind(self)

    def network(self, name: str, loss: str) -> Network:
        """All that nobody has used goes to the output."""
        ends = [
            self.put(op("reshape", shape=(1, int(np.prod(self.shapes[n])))), n) for n in sorted(self.unused, key=str)
        ]
        x = self.put(op("concatenation", axis=1), *ends) if len(ends) > 1 else ends[0]
        self.put(dense(4), x)
        end = [op("softmax")] if loss == "softmax_cross_entropy" else []
        return Network(name, self.input, self.stack.layers + end, loss)


def _function(g: _Growth) -> None:
    x = g.tensor()
    assert x is not None
    layer = g.pick(
        *(op(n) for n in ("relu", "relu6", "relu_n1_to_1", "logistic", "tanh", "hard_swish", "elu", "neg")),
        op("leaky_relu", alpha=0.3), op("gelu", approximate=g.pick(False, True)), op("softmax"), op("log_softmax"),
        op("l2_normalization"), op("square"), op("prelu", alpha=(g.shapes[x][-1],)),
    )  # fmt: skip
    at = g.put(layer, x)
    if layer["op"] == "square":
        g.put(op("rsqrt"), g.put(op("add", value=0.5), at))


def _binary(g: _Growth) -> None:
    a = g.tensor()
    assert a is not None

    def fits(shape: Shape) -> bool:
        try:
            return np.prod(np.broadcast_shapes(shape, g.shapes[a])) <= LARGEST
        except ValueError:
            return False

    b = g.tensor(fits)
    assert b is not None
    name = g.pick("add", "sub", "mul", "squared_difference", "maximum", "minimum")
    more = {"activation": g.pick("none", "relu", "relu6")} if name in ("add", "sub", "mul") else {}
    at = g.put(op(name, **more), a, b)
    if name in ("mul", "squared_difference"):
        g.squashed(at)


def _affine(g: _Growth) -> None:
    x = g.tensor(lambda shape: shape[-1] > 1)
    if x is not None:
        name, channels = g.pick("add", "sub", "mul"), g.shapes[x][-1]
        g.put(op(name, vector=g.pick((channels,), (1, channels)), side=g.pick(0, 1)), x)


def _reduction(g: _Growth) -> None:
    x = g.tensor(lambda shape: len(shape) > 1)
    if x is not None:
        rank = len(g.shapes[x])
        axes = sorted(int(a) for a in g.rng.choice(rank, g.pick(1, min(2, rank - 1)), replace=False))
        g.squashed(g.put(op(g.pick("mean", "sum"), axes=axes, keep_dims=g.pick(False, True)), x))


def _movement(g: _Growth) -> None:
    x = g.tensor()
    assert x is not None
    shape = g.shapes[x]
    begin = [int(g.rng.integers(n)) for n in shape]
    size = [int(g.rng.integers(1, n - b + 1)) for b, n in zip(begin, shape, strict=True)]
    widths = [[int(g.rng.integers(2)), int(g.rng.integers(2))] for _ in shape]
    order = [int(a) for a in g.rng.permutation(len(shape))]
    end = [b + s for b, s in zip(begin, size, strict=True)]
    layers = [
        op("transpose", axes=order), op("reshape", shape=[shape[a] for a in order]),
        op("slice", begin=begin, size=size),
        op("strided_slice", begin=begin, end=end, end_mask=g.pick(0, 1)),
        op("reshape", shape=(int(np.prod(shape)) // shape[-1], shape[-1])),
    ]  # fmt: skip
    if len(shape) < 4:
        layers.append(op("expand_dims", axis=g.pick(0, len(shape))))
    if np.prod(np.array(shape) + np.sum(widths, axis=1)) <= LARGEST:
        layers += [op("pad", widths=widths), op("padv2", widths=widths, value=0.75)]
    if len(shape) == 4 and np.prod(shape) <= LARGEST // 6:
        size = [shape[1] * 2, shape[2] + g.pick(0, 1, shape[2])]
        layers.append(op(g.pick("resize_nearest_neighbor", "resize_bilinear"), size=size, half_pixel_centers=True))
    g.put(g.pick(*layers), x)


def _join(g: _Growth) -> None:
    x = g.tensor(lambda shape: np.prod(shape) <= LARGEST // 3)
    if x is None:
        return
    shape = g.shapes[x]
    other = g.tensor(lambda s: s == shape)
    assert other is not None
    if len(shape) < 4 and g.pick(False, True):
        g.put(op("pack", axis=g.pick(0, len(shape))), x, other)
    else:
        g.put(op("concatenation", axis=int(g.rng.integers(len(shape)))), x, other, x)


def _parts(g: _Growth) -> None:
    x = g.tensor(lambda shape: max(shape) > 1 and len(shape) > 1)
    if x is None:
        return
    shape = g.shapes[x]
    axis = int(np.argmax(shape))
    if g.pick(False, True):
        g.put(op("unpack", axis=axis), x)
    else:
        count = next(k for k in (2, 3, shape[axis]) if shape[axis] % k == 0)
        g.put(op("split", axis=axis, count=count), x)


def _window(g: _Growth) -> None:
    x = g.tensor(lambda shape: len(shape) == 4)
    if x is None:
        return
    shape, filter = g.shapes[x], (g.pick(1, 2, 3), g.pick(1, 2))
    layers = [conv(g.pick(2, 3), filter, activation=g.pick("none", "relu")), depthwise(filter)]
    layers += [pool(kind, filter, stride=(1, g.pick(1, 2)), padding="same") for kind in ("max", "average")]
    if np.prod(shape) <= LARGEST // 4:
        size = (shape[1] * 2 - g.pick(0, 1), shape[2])
        layers.append(op("transpose_conv", channels=2, filter=filter, stride=(2, 1), padding="same", size=size))
    g.squashed(g.put(g.pick(*layers), x))


def _product(g: _Growth) -> None:
    x = g.tensor(lambda shape: len(shape) >= 2)
    assert x is not None
    shape = g.shapes[x]
    if g.pick(False, True):
        g.squashed(g.put(dense(g.pick(2, 3), keep_dims=True), x))
    elif shape[-2] ** 2 * np.prod(shape[:-2]) <= LARGEST:
        g.squashed(g.put(op("batch_matmul", adj_y=True), x, x))


def random_graph(seed: int) -> Network:
    """A graph of a dozen or so random operators, one output."""
    growth = _Growth(seed)
    while len(growth.stack.layers) < 8 + seed % 9:
        growth.step()
    return growth.network(f"graph{seed}", growth.pick("softmax_cross_entropy", "mse", "mae", "huber"))
