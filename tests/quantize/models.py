"""Float models for the quantizer: small, with every operator that it knows."""

from __future__ import annotations

import numpy as np

from support.tflite_builder import ModelBuilder

_SAME = {"padding": "same", "stride_h": 1, "stride_w": 1}


class FloatNetwork:
    """Adds float layers one after the other; every method returns the name of its output."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.b = ModelBuilder("float network")
        self.shapes: dict[str, tuple[int, ...]] = {}

    def input(self, name: str, *shape: int) -> str:
        self.b.tensor(name, shape, "float32")
        self.shapes[name] = shape
        return name

    def constant(self, name: str, values: np.ndarray, dtype: str = "float32") -> str:
        self.b.tensor(name, values.shape, dtype, data=values)
        return name

    def op(
        self, builtin: str, inputs: list[str], output: str, shape: tuple[int, ...], options: dict | None = None
    ) -> str:
        self.b.tensor(output, shape, "float32")
        self.shapes[output] = shape
        self.b.op(builtin, inputs, [output], options=options)
        return output

    def conv(self, x: str, y: str, channels: int, size: int = 3, activation: str = "none", spread: float = 3.0) -> str:
        """Output channels whose weights differ in size by up to a factor ``spread``."""
        n, h, w, c = self.shapes[x]
        gains = np.geomspace(1, spread, channels)[:, None, None, None]
        weights = self.rng.normal(0, (size * size * c) ** -0.5, (channels, size, size, c)) * gains
        names = [x, self.constant(f"{y}_w", weights), self.constant(f"{y}_b", self.rng.normal(0, 0.3, channels))]
        options = {**_SAME, "fused_activation_function": activation}
        return self.op("CONV_2D", names, y, (n, h, w, channels), options)

    def depthwise(self, x: str, y: str, activation: str = "none") -> str:
        n, h, w, c = self.shapes[x]
        names = [
            x,
            self.constant(f"{y}_w", self.rng.normal(0, 0.3, (1, 3, 3, c))),
            self.constant(f"{y}_b", self.rng.normal(0, 0.3, c)),
        ]
        options = {**_SAME, "depth_multiplier": 1, "fused_activation_function": activation}
        return self.op("DEPTHWISE_CONV_2D", names, y, (n, h, w, c), options)

    def dense(self, x: str, y: str, units: int, bias: bool = True) -> str:
        n, k = self.shapes[x]
        names = [x, self.constant(f"{y}_w", self.rng.normal(0, k**-0.5, (units, k)))]
        if bias:
            names.append(self.constant(f"{y}_b", self.rng.normal(0, 0.3, units)))
        return self.op("FULLY_CONNECTED", names, y, (n, units))

    def unary(self, builtin: str, x: str, y: str, options: dict | None = None) -> str:
        return self.op(builtin, [x], y, self.shapes[x], options)

    def binary(self, builtin: str, a: str, b: str, y: str, activation: str = "none") -> str:
        shape = np.broadcast_shapes(self.shapes.get(a, ()), self.shapes.get(b, ()))
        return self.op(builtin, [a, b], y, shape, {"fused_activation_function": activation})

    def pool(self, builtin: str, x: str, y: str) -> str:
        n, h, w, c = self.shapes[x]
        options = {"padding": "valid", "stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2}
        return self.op(builtin, [x], y, (n, h // 2, w // 2, c), options)

    def moved(self, builtin: str, x: str, y: str, shape: tuple[int, ...], *arguments: object) -> str:
        """A data-movement operator with constant int32 arguments."""
        names = [self.constant(f"{y}_{i}", np.array(a, np.int32), "int32") for i, a in enumerate(arguments)]
        return self.op(builtin, [x, *names], y, shape)

    def reshape(self, x: str, y: str, *shape: int) -> str:
        return self.moved("RESHAPE", x, y, shape, shape)

    def build(self, inputs: list[str], outputs: list[str]) -> bytes:
        return self.b.inputs(inputs).outputs(outputs).build()


def classifier(seed: int = 0) -> bytes:
    """Convolutions, a residual addition, pools, a dense layer and softmax: image [1, 8, 8, 3] -> 10 classes."""
    n = FloatNetwork(seed)
    n.input("image", 1, 8, 8, 3)
    a = n.conv("image", "c1", 8, activation="relu")
    b = n.binary("ADD", n.conv(a, "c2", 8), a, "sum", "relu")
    c = n.depthwise(n.pool("MAX_POOL_2D", b, "pool"), "dw", "relu6")
    d = n.reshape(n.pool("AVERAGE_POOL_2D", n.conv(c, "c3", 16, 1), "mean"), "flat", 1, 64)
    n.unary("SOFTMAX", n.dense(d, "logits", 10), "classes", {"beta": 1.0})
    return n.build(["image"], ["classes"])


def batch_normalized() -> bytes:
    """Convolutions with unfused batch normalization (MUL, ADD, SUB by constants) and activations behind them."""
    n = FloatNetwork(3)
    n.input("image", 1, 6, 6, 2)
    gain, shift = n.rng.uniform(0.3, 3, 4), n.rng.normal(0, 1, 4)
    n.constant("gain", gain)
    n.constant("shift", shift.reshape(1, 1, 1, 4))
    n.constant("half", np.array(0.5))
    n.shapes |= {"gain": (4,), "shift": (1, 1, 1, 4), "half": ()}
    x = n.binary("ADD", n.binary("MUL", n.conv("image", "c1", 4), "gain", "m1"), "shift", "a1", "relu")
    x = n.binary("SUB", "shift", n.binary("MUL", "gain", n.depthwise(x, "d1"), "m2"), "s2")
    x = n.unary("RELU6", n.binary("SUB", n.conv(x, "c2", 4, 1), "half", "s3"), "r3")
    n.unary("RELU", n.binary("MUL", n.dense(n.reshape(x, "flat", 1, 144), "fc", 4, bias=False), "gain", "m4"), "y")
    return n.build(["image"], ["y"])


def every_operator() -> bytes:
    """All the other operators, with two inputs and two outputs; a softmax that is concatenated with its input."""
    n = FloatNetwork(5)
    n.input("a", 1, 6, 6, 4)
    n.input("b", 1, 4)
    n.shapes["k"] = (4,)
    n.constant("k", np.array([0.5, -1.5, 2.0, 0.1]))
    x = n.moved("PAD", "a", "padded", (1, 7, 7, 4), [[0, 0], [1, 0], [0, 1], [0, 0]])
    x = n.unary("HARD_SWISH", n.conv(x, "c1", 4), "swish")
    x = n.unary("LEAKY_RELU", n.binary("MUL", x, "b", "scaled"), "leaky", {"alpha": 0.2})
    x = n.moved("STRIDED_SLICE", x, "cut", (1, 6, 6, 4), [0, 1, 0, 0], [1, 7, 6, 4], [1, 1, 1, 1])
    y = n.moved("SLICE", x, "box", (1, 3, 3, 2), [0, 0, 2, 1], [1, 3, 3, 2])
    y = n.moved("RESIZE_NEAREST_NEIGHBOR", y, "large", (1, 6, 6, 2), [6, 6])
    y = n.moved("TRANSPOSE", y, "turned", (1, 6, 6, 2), [0, 2, 1, 3])
    x = n.op("CONCATENATION", [x, y, y], "joined", (1, 6, 6, 8), {"axis": 3})
    x = n.pool("MAX_POOL_2D", n.conv(n.unary("RELU", x, "positive"), "c2", 4, 1), "small")
    t = n.unary("TANH", x, "tanh")
    s = n.unary("LOGISTIC", n.binary("SUB", x, "k", "moved"), "logistic")
    n.binary("ADD", n.binary("ADD", t, s, "both"), "k", "y1")
    m = n.unary("RELU_N1_TO_1", n.moved("MEAN", "y1", "mean", (1, 4), [1, 2]), "bounded")
    f = n.binary("ADD", n.dense(n.reshape("y1", "flat", 1, 36), "dense", 4), m, "logits")
    p = n.unary("SOFTMAX", f, "p", {"beta": 1.0})
    q = n.op("CONCATENATION", [p, f, n.reshape(p, "again", 1, 4)], "mixed", (1, 12), {"axis": 1})
    q = n.moved("EXPAND_DIMS", q, "wide", (1, 1, 12), 1)
    n.op("SQUEEZE", [q], "y2", (1, 12), {"squeeze_dims": [1]})
    return n.build(["a", "b"], ["y1", "y2"])
