"""Kernels that change type and scale: QUANTIZE, DEQUANTIZE, and the int16 rectifiers, which change the scale as well.

8-bit to 8-bit QUANTIZE is a table (:mod:`mcu_gen.kernels.activation`).
"""

from __future__ import annotations

from typing import ClassVar

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import loop_work
from mcu_gen.kernels.contract import Call, CFloat, Kernel, Tiling, Value, kernel
from mcu_gen.ops import quantize, rectifier
from mcu_gen.targets import Target


class Conversion(Kernel):
    """y[i] = convert(x[i]) from ``types[0]`` to ``types[1]``."""

    types: tuple[DType, DType]

    def rejects(self, node: Node, target: Target) -> str | None:
        if (node.x.dtype, node.y.dtype) != self.types:
            return f"it is {node.x.dtype.value} to {node.y.dtype.value}"
        for t in (node.x, node.y):
            if t.quant is not None and t.quant.is_per_channel:
                return f"{t.name} is quantized per channel"
        return None

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        wide, narrow = max(t.size for t in self.types), min(t.size for t in self.types)
        if wide != narrow and narrow > 1:
            return {}  # C lets only bytes share memory with another type
        growth = self.types[1].size - self.types[0].size
        return {(0, 0): max(0, growth * (node.x.elements - 1))}

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return Tiling("run", "count", node.x.shape[-1]) if node.x.shape else None

    def work(self, node: Node, target: Target) -> dict[str, float]:
        return loop_work(node.x.elements)

    def call(self, node: Node, target: Target) -> Call:
        return Call({"count": node.x.elements, **self.scaling(node)})

    def scaling(self, node: Node) -> dict[str, Value]:
        """Fields that say how values are converted."""
        raise NotImplementedError(self.name)


class Requantize(Conversion):
    """Integers to integers of another scale."""

    ops: ClassVar[tuple[str, ...]] = ("quantize",)

    def scaling(self, node: Node) -> dict[str, Value]:
        rectifies = node.type != "quantize"
        multiplier, shift = rectifier.rescaling(node) if rectifies else quantize.rescaling(node)
        low, high = rectifier.bounds(node) if rectifies else node.y.dtype.limits
        return {
            "input_zero_point": node.x.zp,
            "output_zero_point": node.y.zp,
            "multiplier": multiplier,
            "shift": shift,
            "low": low,
            "high": high,
        }


@kernel
class RequantizeS8S16(Requantize):
    """int8 to int16."""

    name = "requantize_s8_s16"
    types = (DType.INT8, DType.INT16)


@kernel
class RequantizeU8S16(Requantize):
    """uint8 to int16."""

    name = "requantize_u8_s16"
    types = (DType.UINT8, DType.INT16)


@kernel
class RequantizeS16S8(Requantize):
    """int16 to int8."""

    name = "requantize_s16_s8"
    types = (DType.INT16, DType.INT8)


@kernel
class RequantizeS16S16(Requantize):
    """int16 to int16, and the int16 rectifiers."""

    name = "requantize_s16_s16"
    ops = ("quantize", "relu", "relu6")
    types = (DType.INT16, DType.INT16)


@kernel
class RequantizeS16S32(Requantize):
    """int16 to int32."""

    name = "requantize_s16_s32"
    types = (DType.INT16, DType.INT32)


@kernel
class RequantizeS32S8(Requantize):
    """int32 to int8."""

    name = "requantize_s32_s8"
    types = (DType.INT32, DType.INT8)


@kernel
class RequantizeS32S16(Requantize):
    """int32 to int16."""

    name = "requantize_s32_s16"
    types = (DType.INT32, DType.INT16)


class FromReals(Conversion):
    """float32 to integers."""

    ops = ("quantize",)

    def scaling(self, node: Node) -> dict[str, Value]:
        low, high = node.y.dtype.limits
        return {
            "scale": CFloat(node.y.s),
            "zero_point": node.y.zp,
            "low": low - node.y.zp,
            "high": high - node.y.zp,
        }


@kernel
class QuantizeS8(FromReals):
    """float32 to int8."""

    name = "quantize_s8"
    definitions = ("rows",)
    types = (DType.FLOAT32, DType.INT8)


@kernel
class QuantizeU8(FromReals):
    """float32 to uint8."""

    name = "quantize_u8"
    types = (DType.FLOAT32, DType.UINT8)


@kernel
class QuantizeS16(FromReals):
    """float32 to int16."""

    name = "quantize_s16"
    types = (DType.FLOAT32, DType.INT16)


class ToReals(Conversion):
    """Integers to float32."""

    ops = ("dequantize",)

    def scaling(self, node: Node) -> dict[str, Value]:
        return {"scale": CFloat(node.x.s), "zero_point": node.x.zp}


@kernel
class DequantizeS8(ToReals):
    """int8 to float32."""

    name = "dequantize_s8"
    definitions = ("rows",)
    types = (DType.INT8, DType.FLOAT32)


@kernel
class DequantizeS8F16(ToReals):
    """int8 to halves."""

    name = "dequantize_s8_f16"
    of_training = True
    types = (DType.INT8, DType.FLOAT16)


@kernel
class ToHalfF32(Conversion):
    """float32 to halves."""

    name = "to_half_f32"
    of_training = True
    ops = ("to_half",)
    types = (DType.FLOAT32, DType.FLOAT16)

    def scaling(self, node: Node) -> dict[str, Value]:
        del node
        return {}


@kernel
class DequantizeU8(ToReals):
    """uint8 to float32."""

    name = "dequantize_u8"
    types = (DType.UINT8, DType.FLOAT32)


@kernel
class DequantizeS16(ToReals):
    """int16 to float32."""

    name = "dequantize_s16"
    types = (DType.INT16, DType.FLOAT32)


@kernel
class DequantizeF16(ToReals):
    """Halves to float32."""

    name = "dequantize_f16"
    types = (DType.FLOAT16, DType.FLOAT32)

    def scaling(self, node: Node) -> dict[str, Value]:
        del node
        return {}
