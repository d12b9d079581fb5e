"""What the operators with weights have in common: constraints and the scaling of their sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Tensor, Verdict
from mcu_gen.ops.fixed_point import activation_bounds_f32, activation_range, quantize_multiplier

ACTIVATIONS = ("none", "relu", "relu6", "relu_n1_to_1")


def activation_is_a_clamp(node: Node) -> Verdict:
    """the fused activation is none, relu, relu6 or relu_n1_to_1"""
    return node.str_attr("activation") in ACTIVATIONS, f"it is {node.str_attr('activation')}"


def output_has_input_type(node: Node) -> Verdict:
    """the output has the type of the input"""
    return node.y.dtype is node.x.dtype, f"the input is {node.x.dtype.value}, the output {node.y.dtype.value}"


def activations_are_quantized(node: Node) -> Verdict:
    """integer inputs and outputs have one scale and one zero point each (0 for int16)"""
    if node.x.dtype.is_float:
        return True, ""
    for t in (node.x, node.y):
        if t.quant is None or t.quant.scale.size != 1:
            return False, f"{t.name} has {0 if t.quant is None else t.quant.scale.size} scales"
        if not (np.isfinite(t.s) and t.s > 0):
            return False, f"{t.name} has the scale {t.s}"
        low, high = t.dtype.limits
        if not low <= t.zp <= high or (t.dtype is DType.INT16 and t.zp != 0):
            return False, f"{t.name} has the zero point {t.zp}"
    return True, ""


def weights_match_input(node: Node) -> Verdict:
    """int8 and int16 inputs take int8 weights, float32 inputs float32 weights"""
    want = DType.FLOAT32 if node.x.dtype is DType.FLOAT32 else DType.INT8
    return node.input(1).dtype is want, f"weights are {node.input(1).dtype.value}"


def weights_are_scaled(node: Node) -> Verdict:
    """integer weights have one scale, or one per output channel"""
    w = node.input(1)
    if node.x.dtype.is_float:
        return True, ""
    found = 0 if w.quant is None else w.quant.scale.size
    channels = node.y.shape[-1] if node.y.shape else 0
    if w.quant is None or found not in (1, channels):
        return False, f"{w.name} has {found} scales for {channels} channels"
    positive = bool(np.all(np.isfinite(w.quant.scale) & (w.quant.scale >= 0)))
    return positive, f"{w.name} has a scale that is negative or not finite"


def _scaled_along(node: Node, axis: int) -> Verdict:
    quant = node.input(1).quant
    if quant is None or quant.scale.size == 1:
        return True, ""
    return quant.axis == axis, f"the scales of {node.input(1).name} are along axis {quant.axis}"


def scales_lie_along_first_axis(node: Node) -> Verdict:
    """scales of weights per channel lie along axis 0"""
    return _scaled_along(node, 0)


def scales_lie_along_last_axis(node: Node) -> Verdict:
    """scales of weights per channel lie along axis 3"""
    return _scaled_along(node, 3)


def weights_are_symmetric(node: Node) -> Verdict:
    """integer weights have the zero point 0"""
    quant = node.input(1).quant
    zero_points = [] if quant is None else quant.zero_point.tolist()
    return not any(zero_points), f"zero points are {zero_points[:4]}"


def bias_matches_channels(node: Node) -> Verdict:
    """the bias is absent, or a constant with one number per output channel: int32, or float32 for float32 inputs, or
    int64 for int16 inputs (int32 there with quantized_bias_type)"""
    if not node.has_input(2):
        return True, ""
    b = node.input(2)
    if node.x.dtype is DType.INT16:
        want = DType.INT32 if node.op.attrs.get("bias_type") == "int32" else DType.INT64
    else:
        want = DType.FLOAT32 if node.x.dtype is DType.FLOAT32 else DType.INT32
    channels = node.y.shape[-1] if node.y.shape else 0
    ok = b.is_constant and b.elements == channels and b.dtype is want
    return ok, f"{b.name} is {b.dtype.value}{list(b.shape)}, constant: {b.is_constant}, channels: {channels}"


def bias_attributes(options: Mapping[str, Any]) -> dict[str, Any]:
    """``bias_type``: ``int32`` where a 16-bit operator says that its sums have 32 bits, else ``default``."""
    return {"bias_type": "int32" if options.get("quantized_bias_type") == "int32" else "default"}


def sums_are_wide(node: Node) -> bool:
    """Whether sums have 64 bits (int16 without a 32-bit bias); otherwise they are modulo 2**32."""
    return node.x.dtype is DType.INT16 and node.op.attrs.get("bias_type") != "int32"


def factor_is_in_range(node: Node) -> Verdict:
    """16-bit inputs: input scale x weight scale / output scale is below 128, as the reference asserts"""
    if node.x.dtype is not DType.INT16 or not weights_are_scaled(node)[0] or not activations_are_quantized(node)[0]:
        return True, ""
    largest = max(channel_scales(node))
    return largest < 128.0, f"it is {largest:g}"


def bias_of(node: Node) -> np.ndarray | None:
    """The constant bias of input 2, or None."""
    return node.input(2).data if node.has_input(2) else None


def bias_value(inputs: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """The bias among the values of a node's inputs, a constant or a variable; None where it is absent."""
    return inputs[2] if len(inputs) > 2 else None


def weight_scales(weights: Tensor, channels: int) -> list[float]:
    """One scale per output channel (a per-tensor scale is repeated)."""
    assert weights.quant is not None
    scales = [float(s) for s in weights.quant.scale]
    return scales if len(scales) > 1 else scales * channels


def channel_scales(node: Node) -> list[float]:
    """Real factor from sums to outputs per output channel: input scale x weight scale / output scale, in double."""
    return [node.x.s * s / node.y.s for s in weight_scales(node.input(1), node.y.shape[-1])]


def channel_multipliers(node: Node) -> tuple[np.ndarray, np.ndarray]:
    """``(multipliers, shifts)`` of :func:`channel_scales`; int32 each."""
    pairs = [quantize_multiplier(s) for s in channel_scales(node)]
    return np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int32)


def output_range(node: Node) -> tuple[int, int]:
    """Bounds of an integer output: those of its type, narrowed by the fused activation."""
    return activation_range(node.str_attr("activation"), node.y.s, node.y.zp, *node.y.dtype.limits)


def output_bounds(node: Node) -> tuple[float, float]:
    """Bounds of a float32 output."""
    return activation_bounds_f32(node.str_attr("activation"))
