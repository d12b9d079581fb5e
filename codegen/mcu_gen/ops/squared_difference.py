"""SQUARED_DIFFERENCE: y = (x0 - x1)^2, with broadcasting.

Rounding rule (``squared_difference.cc``): int8 inputs are shifted left by 7 bits and multiplied by their scale / twice
the larger scale; the square of the difference is multiplied by what remains. Each product is rounded twice (high
multiplication, then shift, ties away from zero). int32 is plain arithmetic modulo 2^32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Verdict, register
from mcu_gen.ops.binary import Binary, SumScaling, integers_are_quantized, shapes_broadcast, types_agree
from mcu_gen.ops.fixed_point import quantize_multiplier, requant_double, wrap32

#: Bits of headroom of the common scale.
LEFT_SHIFT = 7


def output_factor(node: Node) -> float:
    """From the square of the difference in the common scale to the output."""
    twice_larger = 2 * max(node.input(0).s, node.input(1).s)
    return twice_larger * twice_larger / ((1 << 2 * LEFT_SHIFT) * node.y.s)


def output_scale_fits(node: Node) -> Verdict:
    """in int8 the output scale is above the square of the larger input scale / 2^12 (LiteRT aborts below)"""
    if node.x.dtype is not DType.INT8 or not integers_are_quantized(node)[0]:
        return True, ""
    return output_factor(node) < 1, f"it is {node.y.s:g}, the larger one {max(node.input(0).s, node.input(1).s):g}"


def scaling(node: Node) -> SumScaling:
    """Factors, in double precision."""
    a, b = node.input(0).s, node.input(1).s
    twice_larger = 2 * max(a, b)
    return SumScaling(
        LEFT_SHIFT,
        (quantize_multiplier(a / twice_larger), quantize_multiplier(b / twice_larger)),
        quantize_multiplier(output_factor(node)),
    )


@register
class SquaredDifference(Binary):
    """x0, x1 -> y of the broadcast shape, same type."""

    name = "squared_difference"
    builtin = "SQUARED_DIFFERENCE"
    dtypes = (DType.INT8, DType.INT32, DType.FLOAT32)
    constraints = (types_agree, shapes_broadcast, integers_are_quantized, output_scale_fits)

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        del options
        return {}

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x0, x1 = inputs[0], inputs[1]
        assert x0 is not None
        assert x1 is not None
        if node.x.dtype is DType.FLOAT32:
            return [np.square(x0 - x1).astype(np.float32)]
        if node.x.dtype is DType.INT32:
            difference = wrap32(x0.astype(np.int64) - x1.astype(np.int64)).astype(np.int32)
            return [difference * difference]
        s = scaling(node)
        a, b = (
            requant_double((x.astype(np.int64) - t.zp) << s.left_shift, *factor)
            for x, t, factor in zip((x0, x1), (node.input(0), node.input(1)), s.inputs, strict=True)
        )
        y = requant_double((a - b) * (a - b), *s.output) + node.y.zp
        return [np.clip(y, -128, 127).astype(np.int8)]
