"""Kernels of SOFTMAX, row by row; a row is finished before the next one is read."""

from __future__ import annotations

from typing import ClassVar

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import loop_work
from mcu_gen.kernels.contract import Array, Call, CFloat, Kernel, Tiling, Value, kernel
from mcu_gen.ops.softmax import exp_table_s16, reciprocal_table_s16, scaling
from mcu_gen.targets import Target


class Rows(Kernel):
    """Common part: types, rows, overlap."""

    ops: ClassVar[tuple[str, ...]] = ("softmax",)
    types: tuple[DType, DType]

    def rejects(self, node: Node, target: Target) -> str | None:
        if (node.x.dtype, node.y.dtype) == self.types:
            return None
        return f"input is {node.x.dtype.value}, output {node.y.dtype.value}"

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        # results are written after all reads of their element, so only their growth in size counts
        growth = node.y.dtype.size - node.x.dtype.size
        return {(0, 0): max(0, growth * (node.x.elements - 1))}

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return Tiling("run", "rows")  # a row is a pixel

    def work(self, node: Node, target: Target) -> dict[str, float]:
        depth = node.x.shape[-1]
        return loop_work(depth, node.x.elements // depth if depth else 0)

    def call(self, node: Node, target: Target) -> Call:
        depth = node.x.shape[-1]
        return Call({"rows": node.x.elements // depth if depth else 0, "depth": depth, **self.function(node)})

    def function(self, node: Node) -> dict[str, Value]:
        """Fields beyond the geometry."""
        raise NotImplementedError(self.name)


def exponentials(node: Node, diff_min: int) -> float:
    """Elements whose exponential is not 0, if codes are spread evenly below the largest one, which always counts."""
    depth = node.x.shape[-1]
    near = min(1.0, (1 - diff_min) / 256)
    return node.x.elements / depth * (1 + (depth - 1) * near) if depth else 0.0


class FixedPointRows(Rows):
    """int8 input: gemmlowp's fixed-point exp and reciprocal."""

    def work(self, node: Node, target: Target) -> dict[str, float]:
        return super().work(node, target) | {"exponential": exponentials(node, scaling(node).diff_min)}

    def function(self, node: Node) -> dict[str, Value]:
        s = scaling(node)
        return {"multiplier": s.multiplier, "shift": s.shift, "diff_min": s.diff_min}


@kernel
class SoftmaxS8(FixedPointRows):
    """int8 to int8."""

    name = "softmax_s8"
    types = (DType.INT8, DType.INT8)


@kernel
class SoftmaxS8S16(FixedPointRows):
    """int8 to int16."""

    name = "softmax_s8_s16"
    types = (DType.INT8, DType.INT16)


@kernel
class SoftmaxS16(Rows):
    """int16: interpolation in two tables, 2 KiB of flash."""

    name = "softmax_s16"
    types = (DType.INT16, DType.INT16)

    def function(self, node: Node) -> dict[str, Value]:
        s = scaling(node)
        return {
            "multiplier": s.multiplier,
            "shift": s.shift,
            "exp": Array(exp_table_s16(), "exp"),
            "reciprocal": Array(reciprocal_table_s16(), "reciprocal"),
        }


@kernel
class SoftmaxF32(Rows):
    """float32; terms are added in order of depth."""

    name = "softmax_f32"
    types = (DType.FLOAT32, DType.FLOAT32)

    def function(self, node: Node) -> dict[str, Value]:
        return {"beta": CFloat(node.float_attr("beta"))}
