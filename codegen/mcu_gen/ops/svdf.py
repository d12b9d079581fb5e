"""SVDF: a dense layer of low rank over the last inputs in time: a filter per feature, then one over its memory.

Every inference moves the memory on by one step.

Rounding rule (``reference_ops::EvalIntegerSVDF``), int8: the int32 sums of features * (x - zero point) are multiplied
by input scale x feature scale / state scale, saturated to int16 and put into the memory; the int32 sums over memory
and rank plus bias are multiplied by state scale x time scale / output scale, plus output zero point, clamped. Both
factors are float32; each product is rounded twice (high multiplication, then shift, ties away from zero). The fused
activation of int8 is left to the output's range, as in LiteRT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.ops.fixed_point import activation_bounds_f32, quantize_multiplier, requant_double, wrap32
from mcu_gen.ops.weights import ACTIVATIONS, output_has_input_type


def types_fit(node: Node) -> Verdict:
    """weights are constants: int8 features and int16 times with an int16 state, or all of them float32"""
    names = ("features", "times", "state")
    real = node.x.dtype is DType.FLOAT32
    want = (DType.FLOAT32,) * 3 if real else (DType.INT8, DType.INT16, DType.INT16)
    found = [node.input(i) for i in (1, 2, 4)]
    ok = [t.dtype for t in found] == list(want) and found[0].is_constant and found[1].is_constant
    return ok, ", ".join(f"{n} are {t.dtype.value}" for n, t in zip(names, found, strict=True))


def state_is_a_variable(node: Node) -> Verdict:
    """the state is a variable"""
    return node.input(4).variable, f"{node.input(4).name} is none"


def shapes_fit(node: Node) -> Verdict:
    """input [batch, inputs], features [filters, inputs], times [filters, memory], state [batch, filters * memory]"""
    x, features, times, state = (node.input(i).shape for i in (0, 1, 2, 4))
    ok = all(len(s) == 2 and min(s) > 0 for s in (x, features, times, state))
    ok = ok and x[1] == features[1] and features[0] == times[0] and state == (x[0], times[0] * times[1])
    return ok, f"they are {list(x)}, {list(features)}, {list(times)} and {list(state)}"


def rank_divides_filters(node: Node) -> Verdict:
    """the rank divides the number of filters"""
    rank, filters = node.int_attr("rank"), node.input(1).shape[:1]
    return rank > 0 and bool(filters) and filters[0] % rank == 0, f"they are {rank} and {list(filters)}"


def bias_fits(node: Node) -> Verdict:
    """the bias is absent, or a constant with one number per output, int32 or float32 as the input"""
    if not node.has_input(3):
        return True, ""
    b = node.input(3)
    want = DType.FLOAT32 if node.x.dtype is DType.FLOAT32 else DType.INT32
    units = node.y.shape[-1] if node.y.shape else 0
    ok = b.is_constant and b.dtype is want and b.elements == units
    return ok, f"{b.name} is {b.dtype.value}{list(b.shape)}, constant: {b.is_constant}"


def integers_are_quantized(node: Node) -> Verdict:
    """int8 and int16 tensors have one scale above 0 and one zero point each, 0 for weights and state"""
    if node.x.dtype is DType.FLOAT32:
        return True, ""
    for i, t in enumerate((node.x, node.input(1), node.input(2), node.input(4), node.y)):
        if t.quant is None or t.quant.scale.size != 1 or not 0 < t.s < float("inf"):
            return False, f"{t.name} has the scales {[] if t.quant is None else t.quant.scale.tolist()}"
        if 0 < i < 4 and t.zp != 0:
            return False, f"{t.name} has zero point {t.zp}"
    return True, ""


def activation_is_a_clamp(node: Node) -> Verdict:
    """the fused activation is relu in int8 (LiteRT runs no other), none, relu, relu6 or relu_n1_to_1 in float32"""
    allowed = ACTIVATIONS if node.x.dtype is DType.FLOAT32 else ("relu",)
    return node.str_attr("activation") in allowed, f"it is {node.str_attr('activation')}"


def scalings(node: Node) -> tuple[tuple[int, int], tuple[int, int]]:
    """``(multiplier, shift)`` into the state, and from there to the output; float32 arithmetic."""
    x, features, times, state, y = (np.float32(t.s) for t in (*(node.input(i) for i in (0, 1, 2, 4)), node.y))
    return quantize_multiplier(float(x * features / state)), quantize_multiplier(float(state * times / y))


@register
class Svdf(Operator):
    """x [N, I], features [F, I], times [F, M], bias [U] or absent, state [N, F M] -> y [N, U], state; F = U rank."""

    name = "svdf"
    builtin = "SVDF"
    dtypes = (DType.INT8, DType.FLOAT32)
    parameter_inputs = (1, 2, 3)
    state_inputs = (4,)
    constraints = (
        types_fit,
        state_is_a_variable,
        shapes_fit,
        rank_divides_filters,
        bias_fits,
        activation_is_a_clamp,
        output_has_input_type,
        integers_are_quantized,
    )

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"rank": int(options["rank"]), "activation": options["fused_activation_function"]}

    def infer(self, node: Node) -> list[TensorType]:
        units = node.input(1).shape[0] // node.int_attr("rank")
        state = node.input(4)
        return [TensorType((node.x.shape[0], units), node.x.dtype), TensorType(state.shape, state.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x, features, times, bias, state = inputs
        assert x is not None
        assert features is not None
        assert times is not None
        assert state is not None
        batch, (filters, memory) = x.shape[0], times.shape
        wide = np.float64 if node.x.dtype is DType.FLOAT32 else np.int64
        dot = (x.astype(wide) - node.x.zp) @ features.astype(wide).T
        if node.x.dtype is not DType.FLOAT32:
            into, out = scalings(node)
            dot = np.clip(requant_double(wrap32(dot), *into), -32768, 32767)
        moved = state.reshape(batch, filters, memory).astype(wide)
        moved = np.concatenate([moved[:, :, 1:], dot[:, :, None]], axis=2)
        kept = moved.astype(state.dtype)
        total = (kept.astype(wide) * times.astype(wide)).sum(axis=2)
        total = total.reshape(batch, -1, node.int_attr("rank")).sum(axis=2)
        total = total if bias is None else total + bias.astype(wide)
        if node.x.dtype is DType.FLOAT32:
            y = np.clip(total, *activation_bounds_f32(node.str_attr("activation")))
        else:
            y = np.clip(wrap32(requant_double(wrap32(total), *out) + node.y.zp), -128, 127)
        return [y.astype(node.y.dtype.numpy), kept.reshape(state.shape)]

    def macs(self, node: Node) -> int:
        filters, memory = node.input(2).shape
        return node.x.shape[0] * filters * (node.x.shape[1] + memory)
