"""Kernels of SVDF: filter by filter; the memory of a filter moves on when its turn comes, so there is no scratch."""

from __future__ import annotations

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import constant
from mcu_gen.kernels.contract import Array, Call, CFloat, In, Kernel, Out, Value, kernel
from mcu_gen.ops.fixed_point import activation_bounds_f32
from mcu_gen.ops.svdf import scalings
from mcu_gen.targets import Target


class _Svdf(Kernel):
    ops = ("svdf",)
    dtype: DType

    def rejects(self, node: Node, target: Target) -> str | None:
        return None if node.x.dtype is self.dtype else f"input is {node.x.dtype.value}"

    def work(self, node: Node, target: Target) -> dict[str, float]:
        filters, memory = node.input(2).shape
        batches, inputs = node.x.shape
        return {
            "call": 1,
            "filter": batches * filters,
            "feature": batches * filters * inputs,
            "time": batches * filters * memory,
            "output": node.y.elements,
        }

    def call(self, node: Node, target: Target) -> Call:
        filters, memory = node.input(2).shape
        fields: dict[str, Value] = {
            "batches": node.x.shape[0],
            "inputs": node.x.shape[1],
            "units": filters // node.int_attr("rank"),
            "rank": node.int_attr("rank"),
            "memory": memory,
            "features": Array(constant(node.input(1)), "features"),
            "times": Array(constant(node.input(2)), "times"),
            "bias": Array(constant(node.input(3)), "bias") if node.has_input(3) else None,
        }
        return Call(fields | self.arithmetic(node), (In(0), Out(0), Out(1)))

    def arithmetic(self, node: Node) -> dict[str, Value]:
        """Fields beyond the geometry and the weights."""
        raise NotImplementedError(self.name)


@kernel
class SvdfS8(_Svdf):
    """int8 with an int16 memory."""

    name = "svdf_s8"
    dtype = DType.INT8

    def arithmetic(self, node: Node) -> dict[str, Value]:
        into, out = scalings(node)
        return {
            "zero_point": node.x.zp,
            "state_multiplier": into[0],
            "state_shift": into[1],
            "multiplier": out[0],
            "shift": out[1],
            "output_zero_point": node.y.zp,
        }


@kernel
class SvdfF32(_Svdf):
    """float32."""

    name = "svdf_f32"
    dtype = DType.FLOAT32

    def arithmetic(self, node: Node) -> dict[str, Value]:
        low, high = activation_bounds_f32(node.str_attr("activation"))
        return {"low": CFloat(low), "high": CFloat(high)}
