"""DEQUANTIZE: integers or halves to float32.

Rounding rule: scale x (x - zero point), rounded once to float32: LiteRT multiplies in double precision, where the
product of a float32 and a 17-bit integer is exact, so one float32 multiplication gives the same bits. Halves are
exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.graph.region import Span


def output_is_float32(node: Node) -> Verdict:
    """the output is float32"""
    return node.y.dtype is DType.FLOAT32, f"{node.y.name} is {node.y.dtype.value}"


def integers_have_scales(node: Node) -> Verdict:
    """integer inputs are quantized, in int16 with one scale and zero point 0"""
    x = node.x
    if x.dtype is DType.FLOAT16:
        return True, ""
    if x.quant is None:
        return False, f"{x.name} has no quantization"
    ok = x.dtype is not DType.INT16 or (x.quant.scale.size == 1 and x.zp == 0)
    return ok, f"{x.name} has {x.quant.scale.size} scales and zero points {sorted(set(x.quant.zero_point.tolist()))}"


@register
class Dequantize(Operator):
    """x -> y float32, same shape."""

    name = "dequantize"
    converts = True
    builtin = "DEQUANTIZE"
    dtypes = (DType.INT8, DType.UINT8, DType.INT16, DType.FLOAT16)
    constraints = (output_is_float32, integers_have_scales)

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(node.x.shape, DType.FLOAT32)]

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        return out

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        if node.x.dtype is DType.FLOAT16:
            return [x.astype(np.float32)]
        quant = node.x.quant
        assert quant is not None
        along: tuple[int, ...] = ()
        if quant.axis is not None:
            along = tuple(-1 if d == quant.axis else 1 for d in range(x.ndim))
        value = (x.astype(np.int64) - quant.zero_point.reshape(along)).astype(np.float32)
        real = np.asarray(value * quant.scale.reshape(along), np.float32).reshape(node.y.shape)
        return [real.astype(node.y.dtype.numpy)]
