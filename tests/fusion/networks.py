"""Graphs for segments: a builder, MobileNetV2, and random networks with branches."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Graph, Node, Op, QuantParams, Tensor, operator
from mcu_gen.kernels.contract import Call, Kernel, Tiling
from mcu_gen.targets import Region, Target

BOARD = Target(
    "test_board",
    stack_bytes=1024,
    regions=(Region("FLASH", 0, 1 << 24, "flash"), Region("SRAM", 0x20000000, 1 << 22, "ram")),
)

#: Operators that compute each element from those at the same place.
ELEMENTWISE = ("add", "sub", "mul", "relu", "relu6", "quantize", "dequantize", "logistic", "concatenation")


class TileKernel(Kernel):
    """A kernel for any operator that runs on tiles; elementwise operators work in place."""

    name = "tiles"

    def __init__(self, need: int = 0) -> None:
        self.need = need

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        if node.type == "mean" or (node.type == "fully_connected" and not node.bool_attr("keep_dims")):
            return Tiling("reduce", "pixels")
        return Tiling("run", "count") if node.type in ELEMENTWISE else Tiling("window")

    def cost(self, node: Node, target: Target) -> int:
        return node.y.elements

    def scratch(self, node: Node, target: Target) -> int:
        return self.need

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        if node.type not in ("add", "sub", "mul", "relu", "relu6", "logistic"):
            return {}
        full = [i for i, t in enumerate(node.inputs) if t is not None and t.bytes == node.y.bytes]
        return {(i, 0): 0 for i in full}

    def call(self, node: Node, target: Target) -> Call:
        return Call({})


def tile_kernel(node: Node, target: Target) -> Kernel:
    """Every operator runs on tiles; convolutions need some scratch."""
    sums = {"mean": 4 * node.x.shape[-1], "fully_connected": 4 * node.y.elements}
    return TileKernel({"conv2d": 24, **sums}.get(node.type, 0))


class Network:
    """Builds a graph of int8 or float32 operators with random weights."""

    def __init__(self, dtype: DType = DType.INT8, seed: int = 0, name: str = "net") -> None:
        self.graph, self.dtype = Graph(name), dtype
        self.rng = np.random.default_rng(seed)

    def _quant(self, scale: float = 0.05, zero_point: int = -3) -> QuantParams | None:
        return QuantParams.per_tensor(scale, zero_point) if self.dtype is DType.INT8 else None

    def input(self, name: str, height: int, width: int, channels: int, dtype: DType | None = None) -> str:
        kind = dtype or self.dtype
        quant = self._quant() if kind is DType.INT8 else None
        self.graph.add_tensor(Tensor(name, (1, height, width, channels), kind, quant))
        self.graph.inputs.append(name)
        return name

    def constant(self, base: str, data: np.ndarray, quant: QuantParams | None = None) -> str:
        dtype = next(d for d in DType if d.numpy == data.dtype)
        return self.graph.add_tensor(Tensor(self.graph.unique_name(base), data.shape, dtype, quant, data)).name

    def op(self, kind: str, inputs: list[str], quant: QuantParams | None = None, **attrs: Any) -> str:
        g = self.graph
        name = g.unique_name(f"t{len(g.ops)}")
        draft = Tensor(name, (), self.dtype, quant or self._quant())
        node = Node(Op(name, kind, tuple(inputs), (name,), attrs), tuple(g.tensors[n] for n in inputs), (draft,))
        found = operator(kind).infer(node)[0]
        g.add_tensor(draft.replace(shape=found.shape, dtype=found.dtype))
        g.ops.append(node.op)
        return name

    def _weights(self, shape: tuple[int, ...], channels: int, axis: int, x: str) -> tuple[str, str]:
        if self.dtype is DType.FLOAT32:
            w = self.rng.normal(0, 0.3, shape).astype(np.float32)
            return self.constant("w", w), self.constant("b", self.rng.normal(0, 1, channels).astype(np.float32))
        scales = self.rng.uniform(0.002, 0.01, channels).astype(np.float32)
        wq = QuantParams(scales, np.zeros(channels, np.int64), axis)
        w8 = self.rng.integers(-127, 128, shape).astype(np.int8)
        bq = QuantParams(scales * np.float32(self.graph.tensors[x].s), np.zeros(channels, np.int64), 0)
        bias = self.rng.integers(-500, 500, channels).astype(np.int32)
        return self.constant("w", w8, wq), self.constant("b", bias, bq)

    def window(self, kind: str, x: str, channels: int = 0, **attrs: Any) -> str:
        """A convolution or pool; ``k`` or ``kh, kw``, ``stride`` or ``sh, sw``, ``dilation``, ``padding``."""
        kh, kw = attrs.pop("kh", attrs.get("k", 1)), attrs.pop("kw", attrs.pop("k", 1))
        sh, sw = attrs.pop("sh", attrs.get("stride", 1)), attrs.pop("sw", attrs.pop("stride", 1))
        own: dict[str, Any] = {"stride_h": sh, "stride_w": sw, "padding": "same", "activation": "none"}
        dilation = attrs.pop("dilation", 1)
        own |= attrs
        depth = self.graph.tensors[x].shape[3]
        if kind.endswith("pool2d"):
            return self.op(kind, [x], filter_h=kh, filter_w=kw, **own)
        own |= {"dilation_h": dilation, "dilation_w": dilation}
        if kind == "conv2d":
            return self.op(kind, [x, *self._weights((channels, kh, kw, depth), channels, 0, x)], **own)
        return self.op(kind, [x, *self._weights((1, kh, kw, depth), depth, 3, x)], depth_multiplier=1, **own)

    def conv(self, x: str, channels: int, k: int = 1, stride: int = 1, **attrs: Any) -> str:
        return self.window("conv2d", x, channels, k=k, stride=stride, **attrs)

    def transpose_conv(
        self, x: str, channels: int, filter: tuple[int, int], stride: tuple[int, int], padding: str = "same"
    ) -> str:
        """A transposed convolution whose output has the size that fits."""
        _, height, width, depth = self.graph.tensors[x].shape
        grow = [max(0, f - s) if padding == "valid" else 0 for f, s in zip(filter, stride, strict=True)]
        size = (1, height * stride[0] + grow[0], width * stride[1] + grow[1], channels)
        inputs = [x, *self._weights((channels, *filter, depth), channels, 0, x)]
        inputs.append(self.constant("shape", np.array(size, np.int32)))
        return self.op(
            "transpose_conv", inputs, stride_h=stride[0], stride_w=stride[1], padding=padding, activation="none"
        )

    def dense(self, x: str, channels: int, *, pixelwise: bool = False) -> str:
        """A fully connected layer over all of a tensor, or over each pixel of a map."""
        depth = self.graph.tensors[x].shape[-1] if pixelwise else self.graph.tensors[x].elements
        inputs = [x, *self._weights((channels, depth), channels, 0, x)]
        return self.op("fully_connected", inputs, activation="none", keep_dims=pixelwise, weights_format="default")

    def depthwise(self, x: str, k: int = 3, stride: int = 1, **attrs: Any) -> str:
        return self.window("depthwise_conv2d", x, k=k, stride=stride, **attrs)

    def add(self, a: str, b: str) -> str:
        attrs = {"activation": "none"} | ({"pot_scale_int16": False} if self.dtype is DType.INT8 else {})
        return self.op("add", [a, b], **attrs)

    def outputs(self, *names: str) -> Graph:
        self.graph.outputs = list(names)
        return self.graph


def mobilenet_v2(size: int = 224, dtype: DType = DType.INT8) -> Graph:
    """MobileNetV2-1.0 (Sandler et al. 2018) with random weights: 52 convolutions, 10 additions, pool, dense layer."""
    n = Network(dtype, name="mobilenet_v2")
    x = n.conv(n.input("image", size, size, 3), 32, 3, 2)
    depth = 32
    for expand, channels, count, stride in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for i in range(count):
            y = x if expand == 1 else n.conv(x, depth * expand)
            y = n.conv(n.depthwise(y, 3, stride if i == 0 else 1), channels)
            x = n.add(x, y) if i > 0 else y
            depth = channels
    x = n.conv(x, 1280)
    final = n.graph.tensors[x].shape[1]
    x = n.window("average_pool2d", x, k=final, stride=final, padding="valid")
    return n.outputs(n.conv(x, 1000))


def random_network(seed: int, most: int = 8, dtype: DType = DType.INT8) -> Graph:
    """A random network of spatial and elementwise operators on a small odd-sized map, with branches that join."""
    rng = random.Random(seed)
    n = Network(dtype, seed)
    names = [n.input("image", rng.randint(3, 13), rng.randint(3, 13), rng.randint(1, 3))]
    if dtype is DType.INT8 and rng.random() < 0.2:
        n.graph.tensors.clear()
        n.graph.inputs.clear()
        names = [n.input("image", rng.randint(3, 13), rng.randint(3, 13), rng.randint(1, 3), DType.FLOAT32)]
        names.append(n.op("quantize", names))
        names = names[1:]
    for _ in range(rng.randint(2, most)):
        x = names[-1] if rng.random() < 0.7 else rng.choice(names[-3:])
        names.append(_random_operator(n, rng, x, names))
    tail = rng.choice(["mean", "dense", "dense", "", ""])
    if tail == "mean":
        names.append(
            n.op("mean", [names[-1], n.constant("axes", np.array([1, 2], np.int32))], keep_dims=rng.random() < 0.5)
        )
    elif tail == "dense":
        names.append(n.dense(names[-1], rng.randint(1, 6)))
    read = {name for op in n.graph.ops for name in op.inputs}
    return n.outputs(*[name for name in names if name not in read])


def _random_operator(n: Network, rng: random.Random, x: str, names: list[str]) -> str:
    _, height, width, _ = n.graph.tensors[x].shape
    kind = rng.choice(
        ["conv2d", "depthwise_conv2d", "conv1", "join", "join", "max_pool2d", "average_pool2d", "relu", "move", "move",
         "transpose_conv", "constant", "softmax", "pixelwise"]
    )  # fmt: skip
    if kind == "pixelwise":
        return n.dense(x, rng.randint(1, 5), pixelwise=True)
    if kind == "transpose_conv":
        return n.transpose_conv(
            x, rng.randint(1, 4), (rng.randint(1, 4), rng.randint(1, 4)), (rng.randint(1, 3), rng.randint(1, 3)),
            rng.choice(["same", "valid"]),
        )  # fmt: skip
    if kind == "constant":
        return _with_a_constant(n, rng, x)
    if kind == "softmax":
        return n.op(kind, [x], QuantParams.per_tensor(1 / 256, -128) if n.dtype is DType.INT8 else None, beta=1.0)
    if kind == "join":
        mates = [m for m in names if n.graph.tensors[m].shape == n.graph.tensors[x].shape and m != x]
        if mates:
            mate = rng.choice(mates)
            return n.add(mate, x) if rng.random() < 0.6 else n.op("concatenation", [x, mate], axis=3, activation="none")
        return n.add(n.depthwise(x, rng.choice([1, 3])), x)
    if kind == "relu":
        return n.op("relu", [x])
    if kind == "conv1":
        return n.conv(x, rng.randint(1, 5))
    if kind == "move":
        return _random_move(n, rng, x)
    attrs: dict[str, Any] = {
        "kh": rng.randint(1, 4),
        "kw": rng.randint(1, 4),
        "sh": rng.randint(1, 3),
        "sw": rng.randint(1, 3),
    }
    if not kind.endswith("pool2d"):
        attrs["dilation"] = rng.choice([1, 1, 2])
    dilation = attrs.get("dilation", 1)
    reach_h, reach_w = (attrs["kh"] - 1) * dilation + 1, (attrs["kw"] - 1) * dilation + 1
    paddings = ["same", "explicit"] + (["valid"] if reach_h <= height and reach_w <= width else [])
    attrs["padding"] = rng.choice(paddings)
    if attrs["padding"] == "explicit":
        if kind.endswith("pool2d"):
            attrs["padding"] = "same"
        else:
            pad = [rng.randint(0, reach_h), rng.randint(0, reach_h), rng.randint(0, reach_w), rng.randint(0, reach_w)]
            pad[1] = max(pad[1], reach_h - height - pad[0])
            pad[3] = max(pad[3], reach_w - width - pad[2])
            attrs["pad"] = tuple(pad)
    return n.window(kind, x, rng.randint(1, 4), **attrs)


def _random_move(n: Network, rng: random.Random, x: str) -> str:
    """An operator that moves pixels: pad, slice, resize, or concatenation along rows or columns."""
    _, height, width, depth = n.graph.tensors[x].shape
    kind = rng.choice(["pad", "slice", "strided_slice", "resize_nearest_neighbor", "resize_bilinear", "concatenation"])
    if kind == "pad":
        deeper = rng.random() < 0.3
        pads = [[0, 0], [rng.randint(0, 2), rng.randint(0, 2)], [rng.randint(0, 2), 1], [1, 2] if deeper else [0, 0]]
        return n.op(kind, [x, n.constant("pads", np.array(pads, np.int32))])
    if kind == "strided_slice":
        begin = [0, rng.randrange(height), rng.randrange(width), 0]
        bounds = [begin, [1, height, width, rng.randint(1, depth)], [1, rng.randint(1, 3), rng.randint(1, 3), 1]]
        masks = dict.fromkeys(("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"), 0)
        return n.op(kind, [x, *(n.constant("bound", np.array(b, np.int32)) for b in bounds)], offset=False, **masks)
    if kind == "slice":
        top, left = rng.randrange((height + 1) // 2), rng.randrange((width + 1) // 2)
        begin = np.array([0, top, left, 0], np.int32)
        size = np.array([1, rng.randint(1, height - top), rng.randint(1, width - left), depth], np.int32)
        return n.op(kind, [x, n.constant("begin", begin), n.constant("size", size)])
    if kind == "concatenation":
        return n.op(
            kind, [x, x if rng.random() < 0.3 else n.op("relu", [x])], axis=rng.choice([1, 2]), activation="none"
        )
    size = np.array([rng.randint(1, 14), rng.randint(1, 14)], np.int32)
    corners = rng.random() < 0.5
    if n.graph.tensors[x].quant is None:
        return n.op(kind, [x, n.constant("size", size)], align_corners=corners, half_pixel_centers=not corners)
    same = n.graph.tensors[x].quant
    return n.op(kind, [x, n.constant("size", size)], same, align_corners=corners, half_pixel_centers=not corners)


def _with_a_constant(n: Network, rng: random.Random, x: str) -> str:
    """A map and a constant of its size: their sum or product, or one beside the other."""
    t = n.graph.tensors[x]
    if n.dtype is DType.FLOAT32:
        c = n.constant("c", n.rng.normal(size=t.shape).astype(np.float32))
    else:
        c = n.constant("c", n.rng.integers(-128, 128, t.shape).astype(np.int8), t.quant)
    kind = rng.choice(["add", "mul", "concatenation", "concatenation"])
    if kind == "add":
        return n.add(x, c)
    if kind == "mul":
        return n.op(kind, [c, x], activation="none")
    return n.op(kind, [c, x], t.quant, axis=rng.choice([1, 2, 3]), activation="none")


def random_inputs(graph: Graph, seed: int) -> dict[str, np.ndarray]:
    """Codes or real numbers for every graph input."""
    rng = np.random.default_rng(seed)
    found = {}
    for name in graph.inputs:
        t = graph.tensors[name]
        if t.dtype.is_float:
            found[name] = rng.normal(0, 2, t.shape).astype(t.dtype.numpy)
        else:
            found[name] = rng.integers(-128, 128, t.shape).astype(t.dtype.numpy)
    return found
