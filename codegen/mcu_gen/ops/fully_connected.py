"""FULLY_CONNECTED: y = x W^T + b over the last dimension (or over the flattened sample)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.ops.fixed_point import activation_bounds_f32, activation_range, quantize_multiplier, requant_single

ACTIVATIONS = ("none", "relu", "relu6", "relu_n1_to_1")


def weights_are_constant(node: Node) -> Verdict:
    """weights are a constant of rank 2"""
    w = node.input(1)
    return w.is_constant and len(w.shape) == 2, f"{w.name} has shape {list(w.shape)}, constant: {w.is_constant}"


def depth_divides_input(node: Node) -> Verdict:
    """the input holds a whole number of rows of the weights' depth"""
    depth = node.input(1).shape[-1]
    return depth > 0 and node.x.elements % depth == 0, f"input {list(node.x.shape)}, depth {depth}"


def weights_match_input(node: Node) -> Verdict:
    """int8 and int16 inputs take int8 weights, float32 inputs float32 weights"""
    want = DType.FLOAT32 if node.x.dtype is DType.FLOAT32 else DType.INT8
    return node.input(1).dtype is want, f"weights are {node.input(1).dtype.value}"


def activation_is_a_clamp(node: Node) -> Verdict:
    """the fused activation is none, relu, relu6 or relu_n1_to_1"""
    return node.str_attr("activation") in ACTIVATIONS, f"it is {node.str_attr('activation')}"


def weights_are_plain(node: Node) -> Verdict:
    """weights are stored row by row (no shuffled format)"""
    return node.str_attr("weights_format") == "default", f"the format is {node.str_attr('weights_format')}"


@register
class FullyConnected(Operator):
    """x [..., K], weights [N, K], bias [N] or absent -> y [..., N]."""

    name = "fully_connected"
    builtin = "FULLY_CONNECTED"
    dtypes = (DType.INT8, DType.INT16, DType.FLOAT32)
    parameter_inputs = (1, 2)
    constraints = (
        weights_are_constant,
        weights_match_input,
        depth_divides_input,
        activation_is_a_clamp,
        weights_are_plain,
    )

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "activation": options["fused_activation_function"],
            "keep_dims": bool(options["keep_num_dims"]),
            "weights_format": options["weights_format"],
        }

    def infer(self, node: Node) -> list[TensorType]:
        n, k = node.input(1).shape
        if node.bool_attr("keep_dims"):
            return [TensorType((*node.x.shape[:-1], n), node.x.dtype)]
        return [TensorType((node.x.elements // k, n), node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x, w = inputs[0], inputs[1]
        assert x is not None and w is not None
        bias = inputs[2] if node.has_input(2) else None
        rows = x.reshape(-1, w.shape[1])
        if node.x.dtype is DType.FLOAT32:
            low, high = activation_bounds_f32(node.str_attr("activation"))
            y = rows.astype(np.float64) @ w.astype(np.float64).T
            y = y if bias is None else y + bias
            return [np.clip(y, low, high).astype(np.float32).reshape(node.y.shape)]
        acc = (rows.astype(np.int64) - node.x.zp) @ w.astype(np.int64).T
        acc = acc if bias is None else acc + bias.astype(np.int64)
        multiplier, shift = output_scaling(node)
        limits = np.iinfo(node.y.dtype.numpy)
        low_q, high_q = activation_range(
            node.str_attr("activation"), node.y.s, node.y.zp, int(limits.min), int(limits.max)
        )
        y = np.clip(requant_single(acc, multiplier, shift) + node.y.zp, low_q, high_q)
        return [y.astype(node.y.dtype.numpy).reshape(node.y.shape)]

    def macs(self, node: Node) -> int:
        return node.x.elements * int(node.input(1).shape[0])


def output_scaling(node: Node) -> tuple[np.ndarray, np.ndarray]:
    """``(multipliers, shifts)`` per output channel: input scale x weight scale / output scale.

    LiteRT multiplies in double precision after rounding each scale to float32.
    """
    w = node.input(1)
    assert w.quant is not None
    pairs = [quantize_multiplier(node.x.s * float(s) / node.y.s) for s in w.quant.scale]
    pairs = pairs if len(pairs) > 1 else pairs * w.shape[0]
    return np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int32)
