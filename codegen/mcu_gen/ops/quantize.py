"""QUANTIZE: real numbers to integers, or integers to integers of another scale, zero point or type.

Rounding rule:

* from float32 (``AffineQuantize``): x / scale in float32, rounded to nearest, ties away from zero, plus the zero
  point, saturated. LiteRT's conversion of values beyond int32 is undefined; here they saturate, and NaN gives the
  lowest code.
* from integers (``Requantize``): (x - zero point) times input scale / output scale (in double precision), rounded
  twice (``MultiplyByQuantizedMultiplier``), plus the zero point, saturated.
"""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node, Verdict, register
from mcu_gen.ops.fixed_point import quantize_multiplier, requant_double, wrap32
from mcu_gen.ops.unary import Unary, int16_is_symmetric, round_away, scales_are_comparable

#: Output types per input type, as in LiteRT.
CONVERSIONS = {
    DType.FLOAT32: (DType.INT8, DType.UINT8, DType.INT16),
    DType.INT8: (DType.INT8, DType.UINT8, DType.INT16),
    DType.UINT8: (DType.INT8, DType.UINT8, DType.INT16),
    DType.INT16: (DType.INT8, DType.INT16, DType.INT32),
    DType.INT32: (DType.INT8, DType.INT16),
}


def conversion_exists(node: Node) -> Verdict:
    """float32, int8 and uint8 go to int8, uint8 or int16; int16 to int8, int16 or int32; int32 to int8 or int16"""
    ok = node.y.dtype in CONVERSIONS.get(node.x.dtype, ())
    return ok, f"it is {node.x.dtype.value} to {node.y.dtype.value}"


def is_quantized(node: Node) -> Verdict:
    """integers have one scale above 0, or the output of float32 one per index of an axis"""
    for t in (node.x, node.y):
        per_axis = t is node.y and node.x.dtype is DType.FLOAT32
        if not t.dtype.is_float and (
            t.quant is None or (t.quant.scale.size != 1 and not per_axis) or not (t.quant.scale > 0).all()
        ):
            return False, f"{t.name} has the scales {[] if t.quant is None else t.quant.scale.tolist()}"
    return True, ""


def both_int16_are_symmetric(node: Node) -> Verdict:
    """int16 to int16 has zero points 0"""
    return int16_is_symmetric(node) if node.x.dtype is node.y.dtype is DType.INT16 else (True, "")


@register
class Quantize(Unary):
    """x float32 or integer -> y integer, same shape."""

    name = "quantize"
    builtin = "QUANTIZE"
    dtypes = tuple(CONVERSIONS)
    constraints = (conversion_exists, is_quantized, both_int16_are_symmetric, scales_are_comparable)

    def codes(self, node: Node, x: np.ndarray) -> np.ndarray:
        low, high = node.y.dtype.limits
        y = requant_double(wrap32(x.astype(np.int64) - node.x.zp), *rescaling(node))
        result: np.ndarray = np.clip(wrap32(y + node.y.zp), low, high)
        return result

    def reals(self, node: Node, x: np.ndarray) -> np.ndarray:
        quant = node.y.quant
        assert quant is not None
        low, high = node.y.dtype.limits
        along = [1] * x.ndim
        if quant.axis is not None:
            along[quant.axis] = -1
        scale = quant.scale.reshape(along if quant.axis is not None else ())
        zero_point = quant.zero_point.reshape(along if quant.axis is not None else ())
        with np.errstate(over="ignore", invalid="ignore"):
            ratio = (x.astype(np.float32) / scale).astype(np.float64)
        y = round_away(np.nan_to_num(ratio, nan=-np.inf, posinf=np.inf, neginf=-np.inf)) + zero_point
        result: np.ndarray = np.clip(y, low, high)
        return result


def rescaling(node: Node) -> tuple[int, int]:
    """``(multiplier, shift)`` of input scale / output scale."""
    return quantize_multiplier(node.x.s / node.y.s)
