"""Kernels of activation functions: a table for 8 bits, arithmetic for int16 and float32."""

from __future__ import annotations

from mcu_gen.graph import DType, Node, operator
from mcu_gen.kernels.common import loop_work
from mcu_gen.kernels.contract import Array, Call, CFloat, Kernel, Tiling, Value, halves, kernel
from mcu_gen.ops.fixed_point import activation_bounds_f32
from mcu_gen.ops.gelu import Gelu
from mcu_gen.ops.leaky_relu import alpha_scaling
from mcu_gen.ops.rectifier import rescaling
from mcu_gen.ops.rsqrt import Rsqrt
from mcu_gen.ops.sigmoid_s16 import input_scaling, sigmoid_table
from mcu_gen.ops.unary import byte_table
from mcu_gen.targets import Target

RECTIFIERS = ("relu", "relu6", "relu_n1_to_1")


class Pointwise(Kernel):
    """y[i] = f(x[i]); in place, element by element."""

    dtype: DType

    def rejects(self, node: Node, target: Target) -> str | None:
        return None if node.x.dtype is self.dtype else f"input is {node.x.dtype.value}"

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        return {(0, 0): 0}

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return Tiling("run", "count", node.x.shape[-1]) if node.x.shape else None

    def work(self, node: Node, target: Target) -> dict[str, float]:
        return loop_work(node.x.elements)

    def call(self, node: Node, target: Target) -> Call:
        return Call({"count": node.x.elements, **self.function(node)})

    def function(self, node: Node) -> dict[str, Value]:
        """Fields that say what f is."""
        del node
        return {}


@kernel
class Lookup8Bit(Pointwise):
    """Any function of 8-bit codes to 8-bit codes: 256 bytes of flash, filled from the operator's own definition."""

    name = "lookup_8bit"
    ops = (*RECTIFIERS, "leaky_relu", "logistic", "tanh", "hard_swish", "quantize", "elu", "gelu", "rsqrt")

    def rejects(self, node: Node, target: Target) -> str | None:
        for t in (node.x, node.y):
            if t.dtype not in (DType.INT8, DType.UINT8):
                return f"{t.name} is {t.dtype.value}"
        return None

    def function(self, node: Node) -> dict[str, Value]:
        return {"table": Array(byte_table(node).view("uint8"), "table")}


@kernel
@halves()
class ClampF32(Pointwise):
    """Rectifiers in float32."""

    name = "clamp_f32"
    ops = RECTIFIERS
    dtype = DType.FLOAT32

    def function(self, node: Node) -> dict[str, Value]:
        low, high = activation_bounds_f32(node.type)
        return {"low": CFloat(low), "high": CFloat(high)}


@kernel
@halves()
class LeakyReluF32(Pointwise):
    """float32."""

    name = "leaky_relu_f32"
    ops = ("leaky_relu",)
    dtype = DType.FLOAT32

    def function(self, node: Node) -> dict[str, Value]:
        return {"alpha": CFloat(node.float_attr("alpha"))}


@kernel
class LeakyReluS16(Pointwise):
    """int16: one factor per sign of the input."""

    name = "leaky_relu_s16"
    ops = ("leaky_relu",)
    dtype = DType.INT16

    def function(self, node: Node) -> dict[str, Value]:
        multiplier, shift = rescaling(node)
        alpha_multiplier, alpha_shift, alpha_sign = alpha_scaling(node)
        return {
            "multiplier": multiplier,
            "shift": shift,
            "alpha_multiplier": alpha_multiplier,
            "alpha_shift": alpha_shift,
            "alpha_sign": alpha_sign,
        }


@kernel
@halves()
class LogisticF32(Pointwise):
    """float32."""

    name = "logistic_f32"
    ops = ("logistic",)
    dtype = DType.FLOAT32


@kernel
@halves()
class TanhF32(Pointwise):
    """float32."""

    name = "tanh_f32"
    ops = ("tanh",)
    dtype = DType.FLOAT32


@kernel
@halves()
class HardSwishF32(Pointwise):
    """float32."""

    name = "hard_swish_f32"
    ops = ("hard_swish",)
    dtype = DType.FLOAT32


class SigmoidS16(Pointwise):
    """int16: interpolation in a table of sigmoid."""

    dtype = DType.INT16

    def function(self, node: Node) -> dict[str, Value]:
        multiplier, shift = input_scaling(node)
        return {"multiplier": multiplier, "shift": shift, "table": Array(sigmoid_table(), "sigmoid")}


@kernel
class LogisticS16(SigmoidS16):
    """int16."""

    name = "logistic_s16"
    ops = ("logistic",)


@kernel
class TanhS16(SigmoidS16):
    """int16."""

    name = "tanh_s16"
    ops = ("tanh",)


@kernel
class LookupS16(Pointwise):
    """int16: interpolation in a table of 513 entries, filled from the operator's own definition."""

    name = "lookup_s16"
    ops = ("gelu", "rsqrt")
    dtype = DType.INT16

    def function(self, node: Node) -> dict[str, Value]:
        impl = operator(node.type)
        assert isinstance(impl, (Gelu, Rsqrt))
        return {"lowest": 0 if node.type == "rsqrt" else -32768, "table": Array(impl.table(node), "table")}


@kernel
@halves()
class EluF32(Pointwise):
    """float32."""

    name = "elu_f32"
    ops = ("elu",)
    dtype = DType.FLOAT32


@kernel
@halves()
class GeluF32(Pointwise):
    """float32."""

    name = "gelu_f32"
    ops = ("gelu",)
    dtype = DType.FLOAT32

    def work(self, node: Node, target: Target) -> dict[str, float]:
        exact = 0 if node.bool_attr("approximate") else node.x.elements
        return super().work(node, target) | {"exact element": exact}

    def function(self, node: Node) -> dict[str, Value]:
        return {"approximate": int(node.bool_attr("approximate"))}


@kernel
class RsqrtF32(Pointwise):
    """float32."""

    name = "rsqrt_f32"
    ops = ("rsqrt",)
    dtype = DType.FLOAT32


@kernel
class NegF32(Pointwise):
    """float32."""

    name = "neg_f32"
    ops = ("neg",)
    dtype = DType.FLOAT32


@kernel
class SquareF32(Pointwise):
    """float32."""

    name = "square_f32"
    ops = ("square",)
    dtype = DType.FLOAT32
