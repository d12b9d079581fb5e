"""What ADD, SUB and MUL have in common: broadcasting, fused activation, and the common scale of sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcu_gen.graph import Constraint, DType, Node, Operator, TensorType, Verdict
from mcu_gen.graph.region import Span
from mcu_gen.ops.fixed_point import (
    activation_range,
    quantize_multiplier,
    requant_double,
    rounding_shift_right,
)
from mcu_gen.ops.fixed_point_functions import checked_log2

ACTIVATIONS = ("none", "relu", "relu6", "relu_n1_to_1")
INTEGER_TYPES = (DType.INT8, DType.INT16)


def types_agree(node: Node) -> Verdict:
    """both inputs and the output have the same type"""
    types = [node.input(0).dtype.value, node.input(1).dtype.value, node.y.dtype.value]
    return len(set(types)) == 1, f"they are {', '.join(types)}"


def shapes_broadcast(node: Node) -> Verdict:
    """the shapes agree, or broadcast to a rank of at most 6"""
    a, b = node.input(0).shape, node.input(1).shape
    if a == b:
        return True, ""
    observed = f"they are {list(a)} and {list(b)}"
    try:
        return len(np.broadcast_shapes(a, b)) <= 6, observed
    except ValueError:
        return False, observed


def activation_is_a_clamp(node: Node) -> Verdict:
    """the fused activation is none, relu, relu6 or relu_n1_to_1"""
    return node.str_attr("activation") in ACTIVATIONS, f"it is {node.str_attr('activation')}"


def integers_are_quantized(node: Node) -> Verdict:
    """int8 and int16 tensors have one scale and one zero point each, 0 in int16"""
    if node.x.dtype not in INTEGER_TYPES:
        return True, ""
    for t in (node.input(0), node.input(1), node.y):
        if t.quant is None or t.quant.scale.size != 1:
            return False, f"{t.name} has {0 if t.quant is None else t.quant.scale.size} scales"
        if t.dtype is DType.INT16 and t.zp != 0:
            return False, f"{t.name} has zero point {t.zp}"
        if not 0 < t.s < float("inf"):
            return False, f"{t.name} has scale {t.s:g}"
    return True, ""


def activation_bounds_are_codes(node: Node) -> Verdict:
    """the bounds of a fused activation / output scale are below 2^31"""
    largest = {"relu6": 6.0, "relu_n1_to_1": 1.0}.get(node.str_attr("activation"), 0.0)
    if node.y.dtype not in INTEGER_TYPES or node.y.quant is None or node.y.quant.scale.size != 1:
        return True, ""
    return largest < 2.0**31 * node.y.s, f"the output scale is {node.y.s:g}"


RULES = (types_agree, shapes_broadcast, activation_is_a_clamp, integers_are_quantized, activation_bounds_are_codes)


def sum_scales_fit(node: Node) -> Verdict:
    """the output scale is above the larger input scale / 2^19 in int8 and / 2^14 in int16 (LiteRT aborts below)"""
    if node.x.dtype not in INTEGER_TYPES or not integers_are_quantized(node)[0] or power_of_two_shifts(node):
        return True, ""
    larger = max(node.input(0).s, node.input(1).s)
    return 2 * larger < node.y.s * (1 << sum_left_shift(node)), f"it is {node.y.s:g}, the larger one {larger:g}"


def power_of_two_shifts_are_right(node: Node) -> Verdict:
    """with power-of-two int16 scales one input scale is the output's and the other at most 2^15 times smaller"""
    shifts = power_of_two_shifts(node) if integers_are_quantized(node)[0] else None
    if shifts is None:
        return True, ""
    ok = min(shifts) >= 0 and max(shifts) <= 15 and 0 in shifts
    return ok, f"the shifts are {shifts[0]} and {shifts[1]}"


class Binary(Operator):
    """x0, x1 -> y of the broadcast shape."""

    dtypes: ClassVar[tuple[DType, ...]] = (DType.INT8, DType.INT16, DType.INT32, DType.FLOAT32)
    constraints: ClassVar[Sequence[Constraint]] = RULES

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"activation": options["fused_activation_function"]}

    def infer(self, node: Node) -> list[TensorType]:
        a, b = node.input(0), node.input(1)
        try:
            shape = np.broadcast_shapes(a.shape, b.shape)
        except ValueError:
            raise ValueError(f"shapes {list(a.shape)} and {list(b.shape)} do not broadcast") from None
        return [TensorType(tuple(shape), a.dtype)]

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        shape = node.input(index).shape
        own = axis - len(node.y.shape) + len(shape)  # shapes are aligned at their last axes
        return Span(0, 1) if own < 0 or shape[own] == 1 else out


def code_range(node: Node) -> tuple[int, int]:
    """Bounds of the fused activation in output codes; of plain int32 they are real numbers."""
    activation = node.str_attr("activation")
    low, high = node.y.dtype.limits
    if node.y.dtype is DType.INT32:
        return {"relu": (0, high), "relu6": (0, 6), "relu_n1_to_1": (-1, 1)}.get(activation, (low, high))
    return activation_range(activation, node.y.s, node.y.zp, low, high)


@dataclass(frozen=True)
class SumScaling:
    """How ADD and SUB bring both inputs to a common scale: ``(multiplier, shift)`` of inputs and output."""

    left_shift: int
    inputs: tuple[tuple[int, int], tuple[int, int]]
    output: tuple[int, int]


def sum_left_shift(node: Node) -> int:
    """Bits of headroom: 20 in int8, 15 in int16."""
    return 15 if node.x.dtype is DType.INT16 else 20


def sum_scaling(node: Node) -> SumScaling:
    """Factors of the general path (``Prepare`` in ``add.cc`` and ``sub.cc``), in double precision."""
    a, b = node.input(0).s, node.input(1).s
    left = sum_left_shift(node)
    twice_larger = 2 * max(a, b)
    return SumScaling(
        left,
        (quantize_multiplier(a / twice_larger), quantize_multiplier(b / twice_larger)),
        quantize_multiplier(twice_larger / ((1 << left) * node.y.s)),
    )


def power_of_two_shifts(node: Node) -> tuple[int, int] | None:
    """Right shifts of the inputs where int16 scales are powers of two and the model asks for that path, else None."""
    if node.x.dtype is not DType.INT16 or not node.bool_attr("pot_scale_int16"):
        return None
    a, b, y = (checked_log2(t.s) for t in (node.input(0), node.input(1), node.y))
    return None if a is None or b is None or y is None else (y - a, y - b)


def quantized_sum(node: Node, inputs: Sequence[np.ndarray | None], sign: int) -> np.ndarray:
    """x0 + sign * x1 in output codes, before the clamp; int64 array."""
    x0, x1 = inputs[0], inputs[1]
    assert x0 is not None
    assert x1 is not None
    shifts = power_of_two_shifts(node)
    if shifts is not None:
        result: np.ndarray = rounding_shift_right(x0, shifts[0]) + sign * rounding_shift_right(x1, shifts[1])
        return result
    s = sum_scaling(node)
    scaled = [
        requant_double((x.astype(np.int64) - t.zp) << s.left_shift, *factor)
        for x, t, factor in zip((x0, x1), (node.input(0), node.input(1)), s.inputs, strict=True)
    ]
    return requant_double(scaled[0] + sign * scaled[1], *s.output) + node.y.zp
