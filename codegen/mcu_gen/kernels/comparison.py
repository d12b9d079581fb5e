"""Kernels of MAXIMUM, MINIMUM, PRELU and SQUARED_DIFFERENCE: the loop of ADD with other arithmetic."""

from __future__ import annotations

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.contract import Value, kernel
from mcu_gen.kernels.elementwise import Elementwise
from mcu_gen.ops.prelu import scalings
from mcu_gen.ops.squared_difference import scaling
from mcu_gen.targets import Target


class Extremum(Elementwise):
    """MAXIMUM and MINIMUM."""

    ops = ("maximum", "minimum")

    def arithmetic(self, node: Node) -> dict[str, Value]:
        return {"maximum": int(node.type == "maximum")}


@kernel
class ExtremumS8(Extremum):
    """int8."""

    name = "extremum_s8"
    dtype = DType.INT8


@kernel
class ExtremumS16(Extremum):
    """int16."""

    name = "extremum_s16"
    dtype = DType.INT16


@kernel
class ExtremumS32(Extremum):
    """int32."""

    name = "extremum_s32"
    dtype = DType.INT32


@kernel
class ExtremumF32(Extremum):
    """float32."""

    name = "extremum_f32"
    dtype = DType.FLOAT32


class _QuantizedPrelu(Elementwise):
    ops = ("prelu",)

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        pairs = super().overlap(node, target)
        return {k: v for k, v in pairs.items() if node.input(k[0]).dtype.size == node.y.dtype.size}

    def arithmetic(self, node: Node) -> dict[str, Value]:
        positive, negative = scalings(node)
        low, high = node.y.dtype.limits
        return {
            "zero_point": node.x.zp,
            "alpha_zero_point": node.input(1).zp,
            "multiplier": positive[0],
            "shift": positive[1],
            "alpha_multiplier": negative[0],
            "alpha_shift": negative[1],
            "output_zero_point": node.y.zp,
            "low": low,
            "high": high,
        }


@kernel
class PreluS8(_QuantizedPrelu):
    """int8."""

    name = "prelu_s8"
    dtype = DType.INT8


@kernel
class PreluS16(_QuantizedPrelu):
    """int16 with int8 slopes."""

    name = "prelu_s16"
    dtype = DType.INT16


@kernel
class PreluF32(Elementwise):
    """float32."""

    name = "prelu_f32"
    ops = ("prelu",)
    dtype = DType.FLOAT32

    def arithmetic(self, node: Node) -> dict[str, Value]:
        return {}


@kernel
class SquaredDifferenceS8(Elementwise):
    """int8."""

    name = "squared_difference_s8"
    ops = ("squared_difference",)
    dtype = DType.INT8

    def arithmetic(self, node: Node) -> dict[str, Value]:
        s = scaling(node)
        return {
            "left_shift": s.left_shift,
            "zero_point0": node.input(0).zp,
            "multiplier0": s.inputs[0][0],
            "shift0": s.inputs[0][1],
            "zero_point1": node.input(1).zp,
            "multiplier1": s.inputs[1][0],
            "shift1": s.inputs[1][1],
            "output_zero_point": node.y.zp,
            "multiplier": s.output[0],
            "shift": s.output[1],
        }


@kernel
class SquaredDifferenceS32(Elementwise):
    """int32 modulo 2^32."""

    name = "squared_difference_s32"
    ops = ("squared_difference",)
    dtype = DType.INT32

    def arithmetic(self, node: Node) -> dict[str, Value]:
        return {}


@kernel
class SquaredDifferenceF32(Elementwise):
    """float32."""

    name = "squared_difference_f32"
    ops = ("squared_difference",)
    dtype = DType.FLOAT32

    def arithmetic(self, node: Node) -> dict[str, Value]:
        return {}
