"""TRANSPOSE_CONV: every input pixel adds its product with the filter to a window of the output.

Arithmetic (LiteRT ``reference_integer_ops::TransposeConv``), per output channel: the sums of (x - zero point) * w plus
the bias are scaled as in CONV_2D. int8, and int16 with a 32-bit bias (``quantized_bias_type``): int32 sums,
``MultiplyByQuantizedMultiplier`` with two roundings (high multiplication, then shift, ties away from zero). int16
otherwise: 64-bit sums, a 16-bit multiplier and one rounding, ties upwards. float32: products are added in the order of
the filter here and of the input there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.graph.region import Span
from mcu_gen.ops import spatial, weights
from mcu_gen.ops.conv2d import finish, finish_f32, weights_are_constant
from mcu_gen.ops.movement import constant_argument


@dataclass(frozen=True)
class Axis:
    """One spatial axis; tap ``t`` of input ``i`` falls on output ``i * stride - before + t``."""

    size: int
    out: int
    taps: int
    stride: int
    before: int


def output_shape(node: Node) -> tuple[int, ...]:
    """The shape that the model asks for (input 3).

    Raises:
        ValueError: it is not a constant of four positive numbers that fit input and weights.
    """
    shape = tuple(int(v) for v in constant_argument(node, 3, "output shape"))
    want = (node.x.shape[0], node.input(1).shape[0])
    if len(shape) != 4 or min(shape) < 1 or (shape[0], shape[3]) != want:
        raise ValueError(f"the output shape {list(shape)} must be [{want[0]}, height, width, {want[1]}]")
    return shape


def geometry(node: Node) -> tuple[Axis, Axis]:
    """Height and width.  Padding is that of the convolution whose gradient this is (``ComputePaddingHeightWidth``).

    Raises:
        ValueError: that convolution would not give the input's size.
    """
    out = output_shape(node)
    axes = []
    for axis, name in ((1, "h"), (2, "w")):
        stride, taps = node.int_attr(f"stride_{name}"), node.input(1).shape[axis]
        if node.str_attr("padding") == "same":
            steps = -(-out[axis] // stride)
        else:
            steps = (out[axis] + stride - taps) // stride
        if steps != node.x.shape[axis]:
            raise ValueError(
                f"the output shape {list(out)} belongs to {steps} inputs along axis {axis}, not {node.x.shape}"
            )
        total = max(0, (steps - 1) * stride + taps - out[axis])
        axes.append(Axis(node.x.shape[axis], out[axis], taps, stride, total // 2))
    return axes[0], axes[1]


def channels_agree(node: Node) -> Verdict:
    """the weights have as many input channels as the input"""
    x, w = node.x.shape, node.input(1).shape
    return len(x) == len(w) == 4 and x[3] == w[3], f"input {list(x)}, weights {list(w)}"


def output_shape_is_constant(node: Node) -> Verdict:
    """the output shape is a constant of type int32"""
    t = node.input(3)
    return t.is_constant and t.dtype is DType.INT32, f"{t.name} is {t.dtype.value}, constant: {t.is_constant}"


def padding_is_same_or_valid(node: Node) -> Verdict:
    """padding is same or valid"""
    return node.str_attr("padding") in ("same", "valid"), f"it is {node.str_attr('padding')}"


def _hits(a: Axis, tap: int) -> tuple[slice, slice]:
    """Inputs whose tap falls inside the output, and the outputs that it falls on."""
    low = max(0, -((tap - a.before) // a.stride))
    high = min(a.size, (a.out - 1 + a.before - tap) // a.stride + 1)
    count = max(0, high - low)
    first = low * a.stride - a.before + tap
    return slice(low, low + count), slice(first, first + (count - 1) * a.stride + 1, a.stride)


def _taps(node: Node) -> Iterator[tuple[int, int, tuple[slice, slice], tuple[slice, slice]]]:
    h, w = geometry(node)
    for row in range(h.taps):
        for column in range(w.taps):
            rows, columns = _hits(h, row), _hits(w, column)
            if rows[0].stop > rows[0].start and columns[0].stop > columns[0].start:
                yield row, column, (rows[0], columns[0]), (rows[1], columns[1])


def accumulate(x: np.ndarray, w: np.ndarray, node: Node) -> np.ndarray:
    """Sums of x * w, float64 [N, OH, OW, OC]; exact for integer operands."""
    x, w = x.astype(np.float64), w.astype(np.float64)
    out = np.zeros(output_shape(node))
    for row, column, (y, z), (rows, columns) in _taps(node):
        out[:, rows, columns] += x[:, y, z] @ w[:, row, column].T
    return out


@register
class TransposeConv(Operator):
    """x [N, H, W, C], weights [OC, KH, KW, C], bias [OC] or absent, output shape [4] -> y [N, OH, OW, OC]."""

    name = "transpose_conv"
    builtin = "TRANSPOSE_CONV"
    dtypes = (DType.INT8, DType.INT16, DType.FLOAT32)
    parameter_inputs = (1, 2, 3)
    file_inputs = (2, 1, 3, 0)
    constraints = (
        spatial.input_is_an_image,
        weights_are_constant,
        output_shape_is_constant,
        weights.weights_match_input,
        channels_agree,
        spatial.strides_are_positive,
        padding_is_same_or_valid,
        weights.activation_is_a_clamp,
        weights.output_has_input_type,
        weights.activations_are_quantized,
        weights.weights_are_scaled,
        weights.scales_lie_along_first_axis,
        weights.weights_are_symmetric,
        weights.bias_matches_channels,
        weights.factor_is_in_range,
    )

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return spatial.spatial_attributes(options) | weights.bias_attributes(options)

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(output_shape(node), node.x.dtype)]

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        if index:
            return None
        a = geometry(node)[axis - 1]
        first = -(-(out.lo + a.before - a.taps + 1) // a.stride)
        return Span(first, (out.hi - 1 + a.before) // a.stride + 1).clip(a.size)

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x, w = inputs[0], inputs[1]
        assert x is not None
        assert w is not None
        if node.x.dtype is DType.FLOAT32:
            return [finish_f32(accumulate(x, w, node), node, weights.bias_value(inputs))]
        return [finish(accumulate(x.astype(np.int64) - node.x.zp, w, node).astype(np.int64), node)]

    def macs(self, node: Node) -> int:
        hits: int = sum((y.stop - y.start) * (z.stop - z.start) for _, _, (y, z), _ in _taps(node))
        return hits * node.x.shape[0] * node.x.shape[3] * node.input(1).shape[0]
