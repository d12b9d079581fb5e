"""MobileNetV2-1.0 at 224 x 224 (Sandler et al. 2018) as an int8 .tflite file: random weights, without TensorFlow.

    python make_model.py mobilenetv2_int8.tflite

Random weights cost what trained ones cost: the file serves to measure memory, instructions and exactness.  Every layer
is scaled so that its outputs fill the int8 range, as after calibration.  The network is that of the paper, batch
normalization folded: 52 convolutions with ReLU6 behind all but the linear bottlenecks, 10 residual additions, global
average pool, dense layer with 1,000 classes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import mcu_gen.ops  # noqa: F401  (registers the operators)
from mcu_gen.graph import DType, Graph, Node, Op, QuantParams, Tensor, operator
from mcu_gen.quantize.writer import write_tflite

#: Blocks: expansion, channels, repetitions, stride of the first (table 2 of the paper).
BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

#: Quantization of what follows a ReLU6 (0..6), and of the linear maps.
RELU6 = QuantParams.per_tensor(6 / 255, -128)
LINEAR = QuantParams.per_tensor(0.05, 3)


class MobileNetV2:
    """Builds the graph; ``size`` is the height and width of the image."""

    def __init__(self, size: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.graph = Graph("mobilenetv2_int8")
        self.graph.add_tensor(Tensor("image", (1, size, size, 3), DType.INT8, QuantParams.per_tensor(1 / 128, 0)))
        self.graph.inputs.append("image")

    def constant(self, name: str, data: np.ndarray, quant: QuantParams | None = None) -> str:
        dtype = next(d for d in DType if d.numpy == data.dtype)
        return self.graph.add_tensor(Tensor(self.graph.unique_name(name), data.shape, dtype, quant, data)).name

    def operator(self, kind: str, name: str, inputs: list[str], quant: QuantParams, **attrs: object) -> str:
        g = self.graph
        draft = Tensor(name, (), DType.INT8, quant)
        node = Node(Op(name, kind, tuple(inputs), (name,), attrs), tuple(g.tensors[n] for n in inputs), (draft,))
        found = operator(kind).infer(node)[0]
        g.add_tensor(draft.replace(shape=found.shape))
        g.ops.append(node.op)
        return name

    def weights(self, name: str, x: str, shape: tuple[int, ...], axis: int, quant: QuantParams) -> list[str]:
        """Weights and bias whose sums have a third of the output's range as standard deviation."""
        channels, fan_in = shape[axis], int(np.prod(shape)) // shape[axis]
        w = self.rng.integers(-127, 128, shape).astype(np.int8)
        x_scale, spread = float(self.graph.tensors[x].s), 73.0 * 60.0 * np.sqrt(fan_in)
        scales = np.float32(float(quant.scale[0]) * 85 / (spread * x_scale)) * self.rng.uniform(0.7, 1.4, channels)
        scales = scales.astype(np.float32)
        zeros = np.zeros(channels, np.int64)
        bias = self.rng.normal(0, spread / 4, channels).astype(np.int32)
        return [
            self.constant(f"{name}/weights", w, QuantParams(scales, zeros, axis)),
            self.constant(f"{name}/bias", bias, QuantParams(scales * np.float32(x_scale), zeros, 0)),
        ]

    def convolution(self, name: str, x: str, channels: int, k: int = 1, stride: int = 1, *, relu: bool = True) -> str:
        quant = RELU6 if relu else LINEAR
        depth = self.graph.tensors[x].shape[3]
        inputs = [x, *self.weights(name, x, (channels, k, k, depth), 0, quant)]
        return self.operator(
            "conv2d", name, inputs, quant, stride_h=stride, stride_w=stride, dilation_h=1, dilation_w=1,
            padding="same", activation="relu6" if relu else "none",
        )  # fmt: skip

    def depthwise(self, name: str, x: str, stride: int) -> str:
        depth = self.graph.tensors[x].shape[3]
        inputs = [x, *self.weights(name, x, (1, 3, 3, depth), 3, RELU6)]
        return self.operator(
            "depthwise_conv2d", name, inputs, RELU6, stride_h=stride, stride_w=stride, dilation_h=1, dilation_w=1,
            padding="same", activation="relu6", depth_multiplier=1,
        )  # fmt: skip

    def build(self) -> Graph:
        x = self.convolution("stem", "image", 32, 3, 2)
        for b, (expand, channels, count, stride) in enumerate(BLOCKS):
            for i in range(count):
                name = f"block{b + 1}_{i + 1}"
                depth = self.graph.tensors[x].shape[3]
                y = x if expand == 1 else self.convolution(f"{name}/expand", x, depth * expand)
                y = self.depthwise(f"{name}/depthwise", y, stride if i == 0 else 1)
                y = self.convolution(f"{name}/project", y, channels, relu=False)
                if i > 0:
                    y = self.operator("add", f"{name}/add", [x, y], LINEAR, activation="none", pot_scale_int16=False)
                x = y
        x = self.convolution("head", x, 1280)
        size = self.graph.tensors[x].shape[1]
        x = self.operator(
            "average_pool2d", "pool", [x], RELU6, filter_h=size, filter_w=size, stride_h=size, stride_w=size,
            padding="valid", activation="none",
        )  # fmt: skip
        self.graph.outputs = [self.convolution("classes", x, 1000, relu=False)]
        return self.graph


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the .tflite file")
    parser.add_argument("--size", type=int, default=224, help="height and width of the image (224)")
    parser.add_argument("--seed", type=int, default=0, help="of the weights (0)")
    args = parser.parse_args()
    args.out.write_bytes(write_tflite(MobileNetV2(args.size, args.seed).build()))
    print(f"{args.out}: {args.out.stat().st_size:,} B")


if __name__ == "__main__":
    main()
