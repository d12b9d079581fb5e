"""CONV_2D: a window of weights slides over the input; groups when the weights have fewer channels than the input.

Arithmetic (LiteRT ``reference_integer_ops::ConvPerChannel``), per output channel:

* int8: int32 sum of (x - zero point) * w inside the image plus bias, modulo 2**32;
  ``MultiplyByQuantizedMultiplier`` with two roundings, plus output zero point, clamped.
* int16 with a 32-bit bias (``quantized_bias_type``): the same, zero points are 0.
* int16 otherwise: 64-bit sum; ``MultiplyByQuantizedMultiplier`` for 64 bits: the multiplier is rounded to 16 bits, and
  the product once, ties upwards.

The factor input scale x weight scale / output scale is computed in double precision from the float32 scales.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.graph.region import Span
from mcu_gen.ops import spatial, weights
from mcu_gen.ops.fixed_point import reduced_multiplier, requant_double, requant_reduced, wrap32


def weights_are_constant(node: Node) -> Verdict:
    """weights are a constant of rank 4 [out, height, width, in] without empty dimensions"""
    w = node.input(1)
    ok = w.is_constant and len(w.shape) == 4 and min(w.shape) > 0
    return ok, f"{w.name} has shape {list(w.shape)}, constant: {w.is_constant}"


def channels_divide_into_groups(node: Node) -> Verdict:
    """input channels are a multiple of the weights' input channels, and output channels of the number of groups"""
    x, w = node.x.shape, node.input(1).shape
    if len(w) != 4 or len(x) != 4 or min(w) < 1:
        return False, f"input {list(x)}, weights {list(w)}"
    ok = x[3] % w[3] == 0 and x[3] >= w[3] and w[0] % (x[3] // w[3]) == 0
    return ok, f"the input has {x[3]} channels, the weights {w[3]} inputs and {w[0]} outputs"


def accumulate(x: np.ndarray, w: np.ndarray, node: Node) -> np.ndarray:
    """Sums of x * w over the window, zero outside the image: float64 [N, OH, OW, OC].

    Integer operands give exact sums (they stay far below 2**53), and floating point is what NumPy multiplies fast.
    """
    x, w = x.astype(np.float64), w.astype(np.float64)
    groups = x.shape[3] // w.shape[3]
    per_group, depth = w.shape[0] // groups, w.shape[3]
    h, v = spatial.geometry(node)
    out = np.zeros((x.shape[0], h.out, v.out, w.shape[0]))
    for row, column, seen in spatial.taps(x, node, 0.0):
        for g in range(groups):
            filters = w[g * per_group : (g + 1) * per_group, row, column]
            out[..., g * per_group : (g + 1) * per_group] += seen[..., g * depth : (g + 1) * depth] @ filters.T
    return out


def finish(acc: np.ndarray, node: Node) -> np.ndarray:
    """Bias, scaling and activation of an integer convolution: int64 sums [..., OC] -> output."""
    bias = weights.bias_of(node)
    acc = acc if bias is None else acc + bias.astype(np.int64)
    multiplier, shift = weights.channel_multipliers(node)
    low, high = weights.output_range(node)
    if weights.sums_are_wide(node):
        y = requant_reduced(acc, reduced_multiplier(multiplier), shift)
    else:
        y = wrap32(requant_double(wrap32(acc), multiplier, shift) + node.y.zp)
    clamped: np.ndarray = np.clip(y, low, high).astype(node.y.dtype.numpy)
    return clamped


def finish_f32(acc: np.ndarray, node: Node, bias: np.ndarray | None) -> np.ndarray:
    """Bias and activation of a float convolution: float64 sums -> float32."""
    low, high = weights.output_bounds(node)
    clamped: np.ndarray = np.clip(acc if bias is None else acc + bias, low, high).astype(np.float32)
    return clamped


@register
class Conv2D(Operator):
    """x [N, H, W, C], weights [OC, KH, KW, C / groups], bias [OC] or absent -> y [N, OH, OW, OC]."""

    name = "conv2d"
    halves = (0,)
    half_weights = (1,)
    builtin = "CONV_2D"
    dtypes = (DType.INT8, DType.INT16, DType.FLOAT32)
    parameter_inputs = (1, 2)
    constraints = (
        spatial.input_is_an_image,
        weights_are_constant,
        weights.weights_match_input,
        channels_divide_into_groups,
        spatial.strides_are_positive,
        spatial.padding_is_known,
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
        window = spatial.spatial_attributes(options) | spatial.dilation_attributes(options)
        return window | weights.bias_attributes(options)

    def infer(self, node: Node) -> list[TensorType]:
        height, width = spatial.output_size(node)
        return [TensorType((node.x.shape[0], height, width, node.input(1).shape[0]), node.x.dtype)]

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        return spatial.seen_span(node, axis, out) if index == 0 else None

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x, w = inputs[0], inputs[1]
        assert x is not None
        assert w is not None
        if node.x.dtype is DType.FLOAT32:
            return [finish_f32(accumulate(x, w, node), node, weights.bias_value(inputs))]
        return [finish(accumulate(x.astype(np.int64) - node.x.zp, w, node).astype(np.int64), node)]

    def macs(self, node: Node) -> int:
        _, kh, kw, c = node.input(1).shape
        return node.y.elements * kh * kw * c
