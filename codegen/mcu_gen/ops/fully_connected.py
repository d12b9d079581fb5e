"""FULLY_CONNECTED: y = x W^T + b over the last dimension (or over the flattened sample).

Arithmetic (LiteRT ``reference_integer_ops::FullyConnected``, the variant with float scales, which its int8 and int16
paths take): the integer sum of (x - zero point) * (w - zero point) plus bias is multiplied by
input scale x weight scale / output scale in double precision and rounded once, halves away from zero
(``std::round``).  Sums are modulo 2**32 (int8, and int16 with a 32-bit bias) or 64 bits wide (int16).  TFLite Micro
rounds twice in fixed point here and differs; LiteRT is the rule.  Products beyond int32 are undefined there and
saturate here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.graph.region import Span
from mcu_gen.ops import weights
from mcu_gen.ops.fixed_point import INT32_MAX, INT32_MIN, wrap32


def weights_are_constant(node: Node) -> Verdict:
    """weights are a constant of rank 2 without empty dimensions"""
    w = node.input(1)
    ok = w.is_constant and len(w.shape) == 2 and min(w.shape) > 0
    return ok, f"{w.name} has shape {list(w.shape)}, constant: {w.is_constant}"


def depth_divides_input(node: Node) -> Verdict:
    """the input holds a whole number of rows of the weights' depth"""
    depth = node.input(1).shape[-1] if node.input(1).shape else 0
    return depth > 0 and node.x.elements % depth == 0, f"input {list(node.x.shape)}, depth {depth}"


def kept_dimensions_fit(node: Node) -> Verdict:
    """with keep_num_dims the last dimension of the input is the weights' depth"""
    depth = node.input(1).shape[-1] if node.input(1).shape else 0
    last = node.x.shape[-1] if node.x.shape else 0
    return not node.bool_attr("keep_dims") or last == depth, f"input {list(node.x.shape)}, depth {depth}"


def weights_are_plain(node: Node) -> Verdict:
    """weights are stored row by row (no shuffled format)"""
    return node.str_attr("weights_format") == "default", f"the format is {node.str_attr('weights_format')}"


def weights_zero_point_is_single(node: Node) -> Verdict:
    """weights with one scale per channel have the zero point 0"""
    quant = node.input(1).quant
    if quant is None or quant.scale.size == 1:
        return True, ""
    return weights.weights_are_symmetric(node)


def finish(acc: np.ndarray, node: Node) -> np.ndarray:
    """Bias, scaling and activation of an integer FULLY_CONNECTED: int64 sums [..., N] -> output of that shape."""
    bias = weights.bias_of(node)
    acc = acc if bias is None else acc + bias.astype(np.int64)
    if not weights.sums_are_wide(node):
        acc = wrap32(acc)
    scaled = acc.astype(np.float64) * np.array(weights.channel_scales(node))
    whole = np.trunc(scaled)
    whole += np.sign(scaled) * (np.abs(scaled - whole) >= 0.5)
    y = np.clip(whole, INT32_MIN, INT32_MAX).astype(np.int64) + node.y.zp
    clamped: np.ndarray = np.clip(y, *weights.output_range(node)).astype(node.y.dtype.numpy)
    return clamped


def is_pixelwise(node: Node) -> bool:
    """Whether the input is a map whose pixels are multiplied one by one."""
    shape = node.x.shape
    return node.bool_attr("keep_dims") and len(shape) == 4 and shape[3] == node.input(1).shape[1]


@register
class FullyConnected(Operator):
    """x [..., K], weights [N, K], bias [N] or absent -> y [..., N]."""

    name = "fully_connected"
    halves = (0,)
    half_weights = (1,)
    builtin = "FULLY_CONNECTED"
    dtypes = (DType.INT8, DType.INT16, DType.FLOAT32)
    parameter_inputs = (1, 2)
    constraints = (
        weights_are_constant,
        weights.weights_match_input,
        depth_divides_input,
        kept_dimensions_fit,
        weights.activation_is_a_clamp,
        weights_are_plain,
        weights.output_has_input_type,
        weights.activations_are_quantized,
        weights.weights_are_scaled,
        weights.scales_lie_along_first_axis,
        weights_zero_point_is_single,
        weights.bias_matches_channels,
    )

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "activation": options["fused_activation_function"],
            "keep_dims": bool(options["keep_num_dims"]),
            "weights_format": options["weights_format"],
        } | weights.bias_attributes(options)

    def infer(self, node: Node) -> list[TensorType]:
        n, k = node.input(1).shape
        if node.bool_attr("keep_dims"):
            return [TensorType((*node.x.shape[:-1], n), node.x.dtype)]
        return [TensorType((node.x.elements // k, n), node.x.dtype)]

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        return out if index == 0 and is_pixelwise(node) else None

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x, w = inputs[0], inputs[1]
        assert x is not None
        assert w is not None
        rows = x.reshape(-1, w.shape[1])
        if node.x.dtype is DType.FLOAT32:
            bias = weights.bias_value(inputs)
            y = rows.astype(np.float64) @ w.astype(np.float64).T
            y = y if bias is None else y + bias
            return [np.clip(y, *weights.output_bounds(node)).astype(np.float32).reshape(node.y.shape)]
        # products and sums of integers are exact in double precision, and multiply fast there
        operands = rows.astype(np.float64) - node.x.zp, w.astype(np.float64) - weights_zero_point(node)
        acc = (operands[0] @ operands[1].T).astype(np.int64)
        return [finish(acc, node).reshape(node.y.shape)]

    def macs(self, node: Node) -> int:
        return node.x.elements * int(node.input(1).shape[0])


def weights_zero_point(node: Node) -> int:
    """Zero point of the weights (0 where they are scaled per channel)."""
    quant = node.input(1).quant
    return quant.zp if quant is not None and quant.zero_point.size == 1 else 0
