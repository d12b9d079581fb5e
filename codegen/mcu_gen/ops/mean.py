"""MEAN: the average over some axes.

Arithmetic (LiteRT ``reference_ops::QuantizedMeanOrSum``): with n elements per average, the multiplier of
input scale / output scale takes the factor 1 / n in: it is multiplied by 2**floor(log2 n), divided by n and cut off, so
the mean of equal numbers may come out one off.  The int32 sum of (x - zero point) is scaled by it with two roundings
(``MultiplyByQuantizedMultiplier``), plus output zero point, clamped.  The same for int16, whose zero points are 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.graph.region import Span
from mcu_gen.ops import weights
from mcu_gen.ops.fixed_point import quantize_multiplier, requant_double, wrap32

#: Runs of neighbouring axes that are all kept or all averaged, which the kernels walk: kept, averaged, kept...
MAX_RUNS = 6


def axes_are_constant(node: Node) -> Verdict:
    """the axes are a constant of type int32 or int64"""
    axes = node.input(1)
    return axes.is_constant and axes.dtype in (DType.INT32, DType.INT64), f"{axes.name} is a {axes.dtype.value} tensor"


def axes_exist(node: Node) -> Verdict:
    """every axis is one of the input's, which has at least one dimension and no empty ones"""
    values = node.input(1).data
    found = [] if values is None else values.reshape(-1).tolist()
    rank = len(node.x.shape)
    ok = rank > 0 and min(node.x.shape) > 0 and all(-rank <= a < rank for a in found)
    return ok, f"axes are {found}, the input has shape {list(node.x.shape)}"


def axes_alternate_little(node: Node) -> Verdict:
    """at most three groups of neighbouring axes are averaged"""
    if not axes_are_constant(node)[0] or not axes_exist(node)[0]:
        return True, ""
    return len(runs(node)) <= MAX_RUNS, f"{len(runs(node)) // 2} groups are averaged"


def axes_of(node: Node) -> tuple[int, ...]:
    """The averaged axes, each once, in ascending order."""
    data = node.input(1).data
    assert data is not None, f"{node.name}: axes are not constant"
    return tuple(sorted({int(a) % len(node.x.shape) for a in data.reshape(-1)}))


def runs(node: Node) -> list[int]:
    """Sizes of the input as kept, averaged, kept, averaged...: neighbours of one kind are one number."""
    axes = axes_of(node)
    sizes = [1]
    for axis, size in enumerate(node.x.shape):
        averaged = len(sizes) % 2 == 0
        if (axis in axes) == averaged:
            sizes[-1] *= size
        elif size != 1:
            sizes.append(size)
    return sizes + [1] * (len(sizes) % 2)


def count_of(node: Node) -> int:
    """Elements that one average takes."""
    return math.prod(node.x.shape[a] for a in axes_of(node))


def scaling(node: Node) -> tuple[int, int]:
    """``(multiplier, shift)`` from a sum of (x - zero point) to an output."""
    count = count_of(node)
    multiplier, shift = quantize_multiplier(node.x.s / node.y.s)
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << extra) // count, shift - extra


@register
class Mean(Operator):
    """x, axes [A] -> y: the averaged axes are dropped, or have size 1 with keep_dims."""

    name = "mean"
    builtin = "MEAN"
    dtypes = (DType.INT8, DType.INT16, DType.FLOAT32)
    parameter_inputs = (1,)
    constraints = (
        axes_are_constant,
        axes_exist,
        axes_alternate_little,
        weights.output_has_input_type,
        weights.activations_are_quantized,
    )

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"keep_dims": bool(options["keep_dims"])}

    def infer(self, node: Node) -> list[TensorType]:
        axes = axes_of(node)
        kept = [
            1 if a in axes else d for a, d in enumerate(node.x.shape) if a not in axes or node.bool_attr("keep_dims")
        ]
        return [TensorType(tuple(kept), node.x.dtype)]

    def half_inputs(self, node: Node) -> tuple[int, ...]:
        return (0,) if len(node.x.shape) == 4 and node.x.shape[0] == 1 and axes_of(node) == (1, 2) else ()

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        moves = len(node.y.shape) < len(node.x.shape) and any(a <= axis for a in axes_of(node))
        return out if index == 0 and axis not in axes_of(node) and not moves else None

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        axes = axes_of(node)
        if node.x.dtype is DType.FLOAT32:
            mean = x.astype(np.float64).sum(axis=axes) / count_of(node)
            return [mean.astype(np.float32).reshape(node.y.shape)]
        total = wrap32(x.astype(np.int64).sum(axis=axes) - node.x.zp * count_of(node))
        multiplier, shift = scaling(node)
        y = wrap32(requant_double(total, multiplier, shift) + node.y.zp)
        return [np.clip(y, *node.y.dtype.limits).astype(node.y.dtype.numpy).reshape(node.y.shape)]
