"""DEPTHWISE_CONV_2D: every input channel has ``depth_multiplier`` filters of its own.

Arithmetic as CONV_2D (:mod:`mcu_gen.ops.conv2d`; a 32-bit bias does not exist for int16); output channel c reads input
channel c // depth_multiplier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.graph.region import Span
from mcu_gen.ops import spatial, weights
from mcu_gen.ops.conv2d import finish, finish_f32


def weights_are_constant(node: Node) -> Verdict:
    """weights are a constant of shape [1, height, width, channels] without empty dimensions"""
    w = node.input(1)
    ok = w.is_constant and len(w.shape) == 4 and min(w.shape) > 0 and w.shape[0] == 1
    return ok, f"{w.name} has shape {list(w.shape)}, constant: {w.is_constant}"


def filters_match_channels(node: Node) -> Verdict:
    """the weights have a whole number of filters per input channel"""
    x, w = node.x.shape, node.input(1).shape
    ok = len(x) == 4 and len(w) == 4 and x[3] > 0 and w[3] > 0 and w[3] % x[3] == 0
    return ok, f"input {list(x)}, weights {list(w)}"


def depth_multiplier(node: Node) -> int:
    """Filters per input channel, by the shapes (LiteRT ignores the attribute of the model file as well)."""
    return int(node.input(1).shape[3] // node.x.shape[3])


def accumulate(x: np.ndarray, w: np.ndarray, node: Node) -> np.ndarray:
    """Sums of x * w over the window, zero outside the image: float64 [N, OH, OW, OC]; exact for integers."""
    spread = np.repeat(x.astype(np.float64), depth_multiplier(node), axis=3)
    h, v = spatial.geometry(node)
    out = np.zeros((x.shape[0], h.out, v.out, w.shape[3]))
    for row, column, seen in spatial.taps(spread, node, 0.0):
        out += seen * w[0, row, column].astype(np.float64)
    return out


@register
class DepthwiseConv2D(Operator):
    """x [N, H, W, C], weights [1, KH, KW, C * M], bias [C * M] or absent -> y [N, OH, OW, C * M]."""

    name = "depthwise_conv2d"
    halves = (0,)
    half_weights = (1,)
    builtin = "DEPTHWISE_CONV_2D"
    dtypes = (DType.INT8, DType.INT16, DType.FLOAT32)
    parameter_inputs = (1, 2)
    constraints = (
        spatial.input_is_an_image,
        weights_are_constant,
        weights.weights_match_input,
        filters_match_channels,
        spatial.strides_are_positive,
        spatial.padding_is_known,
        weights.activation_is_a_clamp,
        weights.output_has_input_type,
        weights.activations_are_quantized,
        weights.weights_are_scaled,
        weights.scales_lie_along_last_axis,
        weights.weights_are_symmetric,
        weights.bias_matches_channels,
        weights.factor_is_in_range,
    )

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        own = {"depth_multiplier": int(options["depth_multiplier"])}
        return spatial.spatial_attributes(options) | spatial.dilation_attributes(options) | own

    def infer(self, node: Node) -> list[TensorType]:
        height, width = spatial.output_size(node)
        return [TensorType((node.x.shape[0], height, width, node.input(1).shape[3]), node.x.dtype)]

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
        _, kh, kw, _ = node.input(1).shape
        return node.y.elements * kh * kw
