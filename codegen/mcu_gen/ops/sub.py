"""SUB: y = x0 - x1, with broadcasting and a fused activation.

Rounding rule (``sub.cc``): int8 and int16 inputs are shifted left by 20 and 15 bits and multiplied by their scale /
twice the larger scale; the sum is multiplied by what remains. Each product is rounded twice (high multiplication,
then shift, ties away from zero). int16 with power-of-two scales (the option ``pot_scale_int16``): one input is
shifted right, ties away from zero. int32 is plain arithmetic modulo 2^32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, register
from mcu_gen.ops.binary import (
    RULES,
    Binary,
    code_range,
    power_of_two_shifts_are_right,
    quantized_sum,
    sum_scales_fit,
)
from mcu_gen.ops.fixed_point import activation_bounds_f32, wrap32


@register
class Sub(Binary):
    """x0, x1 -> y of the broadcast shape, same type."""

    name = "sub"
    halves = (0, 1)
    half_weights = (1,)
    builtin = "SUB"
    constraints = (*RULES, sum_scales_fit, power_of_two_shifts_are_right)

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {**super().attributes(options), "pot_scale_int16": bool(options["pot_scale_int16"])}

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x0, x1 = inputs[0], inputs[1]
        assert x0 is not None
        assert x1 is not None
        if node.x.dtype is DType.FLOAT32:
            low_f, high_f = activation_bounds_f32(node.str_attr("activation"))
            return [np.clip(x0 - x1, np.float32(low_f), np.float32(high_f)).astype(np.float32)]
        if node.x.dtype is DType.INT32:
            y = wrap32(x0.astype(np.int64) - x1.astype(np.int64))
        else:
            y = quantized_sum(node, inputs, -1)
        low, high = code_range(node)
        return [np.minimum(np.maximum(y, low), high).astype(node.y.dtype.numpy)]
