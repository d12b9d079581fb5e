"""L2_NORMALIZATION: y = x / sqrt(sum of x^2) along the last axis.

Rounding rule (``reference_integer_ops::L2Normalization``): int8: the factor 1 / sqrt(sum of (x - zero point)^2) in
fixed point (``GetInvSqrtQuantizedMultiplierExp``, five Newton-Raphson steps) times 2^7 multiplies x - zero point with
two roundings (high multiplication, then shift, ties away from zero). float32: the norm is at least 1e-6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.graph.region import Span
from mcu_gen.ops.concatenation import no_fused_activation
from mcu_gen.ops.fixed_point import requant_double
from mcu_gen.ops.fixed_point_functions import inverse_sqrt_multiplier
from mcu_gen.ops.unary import output_type_is_input_type, quantization_is_per_tensor

#: Larger sums of squares overflow int32.
_MAX_DEPTH = 33024


def output_quantization_is_fixed(node: Node) -> Verdict:
    """in int8 the output scale is 1/128 and its zero point 0"""
    if node.y.dtype is not DType.INT8 or not quantization_is_per_tensor(node)[0]:
        return True, ""
    return (node.y.s, node.y.zp) == (1 / 128, 0), f"they are {node.y.s:g} and {node.y.zp}"


def depth_fits(node: Node) -> Verdict:
    """the input has at least one axis, and in int8 the last one at most 33024 elements"""
    if not node.x.shape:
        return False, f"{node.x.name} is a scalar"
    depth = node.x.shape[-1]
    return node.x.dtype is not DType.INT8 or depth <= _MAX_DEPTH, f"the last axis has {depth}"


@register
class L2Normalization(Operator):
    """x [..., depth] -> y of the same shape."""

    name = "l2_normalization"
    builtin = "L2_NORMALIZATION"
    dtypes = (DType.INT8, DType.FLOAT32)
    constraints = (
        no_fused_activation,
        output_type_is_input_type,
        quantization_is_per_tensor,
        output_quantization_is_fixed,
        depth_fits,
    )

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"activation": options["fused_activation_function"]}

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(node.x.shape, node.x.dtype)]

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        return out if axis < len(node.x.shape) - 1 else None

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        if node.x.dtype is DType.FLOAT32:
            norm = np.sqrt(np.square(x.astype(np.float64)).sum(axis=-1, keepdims=True))
            return [(x / np.maximum(norm, 1e-6)).astype(np.float32)]
        value = x.astype(np.int64) - node.x.zp
        multiplier, shift = inverse_sqrt_multiplier(np.square(value).sum(axis=-1, keepdims=True))
        return [np.clip(requant_double(value, multiplier, shift + 7), -128, 127).astype(np.int8)]
