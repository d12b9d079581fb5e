"""Random int8 networks with planted dead channels: what dead-channel elimination is tried on."""

from __future__ import annotations

from typing import Any

import numpy as np

from support.tflite_builder import ModelBuilder

#: Scale and zero point; the lowest code as zero point makes a cut-off channel hold the real number 0.
_QUANT = ((0.05, -128), (0.05, -128), (0.1, -20), (0.07, 5))


class DeadNetwork:
    """A random chain with branches; about half of the output channels of every layer have no weights.

    Tensors are images [1, H, W, C] until the head.  ``density`` is the share of channels that live.
    """

    def __init__(self, seed: int, density: float = 0.5) -> None:
        self.rng = np.random.default_rng(seed)
        self.density = density
        self.b = ModelBuilder("dead channels")
        self.count = 0
        side = int(self.rng.integers(3, 8))
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.quants: dict[str, tuple[float, int]] = {}
        self.input = self.new((1, side, side + 1, int(self.rng.integers(1, 4))))

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def new(self, shape: tuple[int, ...], quant: tuple[float, int] | None = None) -> str:
        name = f"t{self.count}"
        self.count += 1
        scale, zero_point = quant or self.pick(*_QUANT)
        self.b.tensor(name, shape, "int8", scale=scale, zero_point=zero_point)
        self.shapes[name], self.quants[name] = shape, (scale, zero_point)
        return name

    def constant(self, values: np.ndarray, dtype: str, **quant: Any) -> str:
        name = f"c{self.count}"
        self.count += 1
        self.b.tensor(name, values.shape, dtype, data=values, **quant)
        return name

    def _bias(self, x: str, scales: list[float], *, axis: int | None = 0) -> str:
        n = len(scales)
        spread = 40 / max(scales)
        values = np.clip(self.rng.normal(size=n) * spread * self.pick(1, 1, 20), -(2**30), 2**30).astype(np.int32)
        return self.constant(values, "int32", scale=[s * self.quants[x][0] for s in scales], axis=axis)

    def _alive(self, n: int) -> np.ndarray:
        return self.rng.random(n) < self.density

    def _window(self, x: str, kernel: int, stride: int) -> tuple[str, tuple[int, int]]:
        _, h, w, _ = self.shapes[x]
        padding = self.pick("same", "same", "valid") if min(h, w) >= kernel else "same"
        less = 0 if padding == "same" else kernel - 1
        return padding, (-(-(h - less) // stride), -(-(w - less) // stride))

    def conv(self, x: str) -> str:
        kernel, stride, n = self.pick(1, 1, 3), self.pick(1, 1, 2), int(self.rng.integers(1, 9))
        padding, size = self._window(x, kernel, stride)
        w = self.rng.integers(-127, 128, (n, kernel, kernel, self.shapes[x][3]))
        w[~self._alive(n)] = 0
        w[..., ~self._alive(w.shape[3])] *= self.pick(0, 1, 1)  # sometimes inputs that nobody needs
        scales = [float(s) for s in self.rng.uniform(0.001, 0.02, n)]
        y = self.new((1, *size, n))
        weights = self.constant(w, "int8", scale=scales, axis=0)
        inputs = [x, weights, self._bias(x, scales)]
        options = {"padding": padding, "stride_h": stride, "stride_w": stride}
        self.b.op("CONV_2D", inputs, [y], options={**options, "fused_activation_function": self._activation()})
        return y

    def depthwise(self, x: str) -> str:
        kernel, stride, times = self.pick(1, 3), self.pick(1, 2), self.pick(1, 1, 2)
        padding, size = self._window(x, kernel, stride)
        n = self.shapes[x][3] * times
        w = self.rng.integers(-127, 128, (1, kernel, kernel, n))
        w[..., ~self._alive(n)] *= self.pick(0, 1, 1)
        scales = [float(s) for s in self.rng.uniform(0.001, 0.02, n)]
        y = self.new((1, *size, n))
        options = {"padding": padding, "stride_h": stride, "stride_w": stride, "depth_multiplier": times}
        inputs = [x, self.constant(w, "int8", scale=scales, axis=3), self._bias(x, scales)]
        self.b.op(
            "DEPTHWISE_CONV_2D", inputs, [y], options={**options, "fused_activation_function": self._activation()}
        )
        return y

    def _activation(self) -> str:
        return str(self.pick("none", "relu", "relu", "relu6"))

    def act(self, x: str) -> str:
        builtin = self.pick("RELU", "RELU6", "LOGISTIC", "HARD_SWISH", "LEAKY_RELU", "QUANTIZE", "TANH")
        quant = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}.get(builtin)
        y = self.new(self.shapes[x], quant)
        self.b.op(builtin, [x], [y], options={"alpha": 0.2} if builtin == "LEAKY_RELU" else None)
        return y

    def residual(self, x: str) -> str:
        """A sum or product with a second branch, a constant per channel, or a single number."""
        n = self.shapes[x][3]
        kind = self.pick("branch", "branch", "channel", "one")
        if kind == "branch":
            w = self.rng.integers(-127, 128, (n, 1, 1, n))
            w[~self._alive(n)] = 0
            other = self.new(self.shapes[x])
            scales = [0.004] * n
            inputs = [x, self.constant(w, "int8", scale=scales, axis=0), self._bias(x, scales)]
            self.b.op("CONV_2D", inputs, [other], options={"padding": "same", "stride_h": 1, "stride_w": 1})
        else:
            shape = (1, 1, 1, n) if kind == "channel" else (1, 1, 1, 1)
            other = self.constant(self.rng.integers(-127, 128, shape), "int8", scale=0.06, zero_point=3)
        y = self.new(self.shapes[x])
        operands = [x, other] if self.pick(True, False) else [other, x]
        options = {"fused_activation_function": self._activation()}
        self.b.op(self.pick("ADD", "ADD", "MUL", "SUB"), operands, [y], options=options)
        return y

    def pool(self, x: str) -> str:
        padding, size = self._window(x, 2, 2)
        y = self.new((1, *size, self.shapes[x][3]), self.quants[x])
        options = {"padding": padding, "stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2}
        self.b.op(self.pick("MAX_POOL_2D", "AVERAGE_POOL_2D"), [x], [y], options=options)
        return y

    def pad(self, x: str) -> str:
        _, h, w, c = self.shapes[x]
        y = self.new((1, h + 1, w + 2, c), self.quants[x])
        self.b.op("PAD", [x, self.constant(np.array([[0, 0], [1, 0], [1, 1], [0, 0]]), "int32")], [y])
        return y

    def join(self, x: str) -> str:
        """Side by side with a convolution of it, and sometimes with a constant."""
        _, h, w, c = self.shapes[x]
        n = int(self.rng.integers(1, 5))
        weights = self.rng.integers(-127, 128, (n, 1, 1, c))
        weights[~self._alive(n)] = 0
        other = self.new((1, h, w, n), self.quants[x])
        scales = [0.004] * n
        inputs = [x, self.constant(weights, "int8", scale=scales, axis=0), self._bias(x, scales)]
        self.b.op("CONV_2D", inputs, [other], options={"padding": "same", "stride_h": 1, "stride_w": 1})
        parts = [x, other] if self.pick(True, False) else [other, x]
        total = n + c
        if self.pick(True, False, False):
            scale, zero_point = self.quants[x]
            plane = np.broadcast_to(self.rng.integers(-128, 128, 2), (1, h, w, 2))
            parts.append(self.constant(np.array(plane), "int8", scale=scale, zero_point=zero_point))
            total += 2
        y = self.new((1, h, w, total), self.quants[x])
        self.b.op("CONCATENATION", parts, [y], options={"axis": self.pick(3, -1)})
        return y

    def fully_connected(self, x: str, outputs: int) -> str:
        depth = int(np.prod(self.shapes[x]))
        w = self.rng.integers(-127, 128, (outputs, depth))
        w[~self._alive(outputs)] *= self.pick(0, 1)
        zero_point = self.pick(0, 0, 4)
        y = self.new((1, outputs))
        weights = self.constant(w, "int8", scale=0.003, zero_point=zero_point)
        self.b.op("FULLY_CONNECTED", [x, weights, self._bias(x, [0.003] * outputs)], [y])
        return y

    def flat(self, x: str) -> str:
        n = int(np.prod(self.shapes[x]))
        y = self.new((1, n), self.quants[x])
        self.b.op("RESHAPE", [x, self.constant(np.array([1, n]), "int32")], [y], options={"new_shape": [1, n]})
        return y

    def mean(self, x: str) -> str:
        y = self.new((1, self.shapes[x][3]))
        self.b.op("MEAN", [x, self.constant(np.array([1, 2]), "int32")], [y], options={"keep_dims": False})
        return y


def dead_network(seed: int, layers: int = 6, density: float = 0.5) -> bytes:
    """A .tflite model of ``layers`` random layers and a head; sometimes an inner tensor is an output too."""
    net = DeadNetwork(seed, density)
    x, made = net.input, []
    for _ in range(layers):
        step = net.pick(
            net.conv,
            net.conv,
            net.conv,
            net.depthwise,
            net.depthwise,
            net.act,
            net.residual,
            net.pool,
            net.pad,
            net.join,
        )
        x = step(x)
        made.append(x)
    head = net.pick("dense", "mean", "wide", "none")
    if head == "mean":
        x = net.fully_connected(net.mean(x), 3)
    elif head == "dense":
        x = net.fully_connected(net.flat(x), 4)
    elif head == "wide":
        x = net.fully_connected(net.fully_connected(x, 9), 2)
    outputs = [x] if net.pick(True, True, False) else list(dict.fromkeys([net.pick(*made), x]))
    return net.b.inputs([net.input]).outputs(outputs).build()
