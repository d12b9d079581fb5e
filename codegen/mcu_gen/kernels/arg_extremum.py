"""Kernels of ARG_MAX and ARG_MIN."""

from __future__ import annotations

import math

import numpy as np

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import MAX_ELEMENTS, raster_lead
from mcu_gen.kernels.contract import Call, Kernel, kernel
from mcu_gen.ops.arg_extremum import searched_axis
from mcu_gen.targets import Target


class _ArgExtremum(Kernel):
    ops = ("arg_max", "arg_min")
    dtype: DType

    def rejects(self, node: Node, target: Target) -> str | None:
        return None if node.x.dtype is self.dtype else f"input is {node.x.dtype.value}"

    def _box(self, node: Node) -> tuple[int, int, int]:
        axis, shape = searched_axis(node), node.x.shape
        return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        if node.y.elements > MAX_ELEMENTS:
            return {}
        outer, size, inner = self._box(node)
        rows = np.arange(outer, dtype=np.int64)[:, None] * (size * inner)
        first = (rows + np.arange(inner, dtype=np.int64)[None, :]).reshape(-1)
        return {(0, 0): raster_lead(first * node.x.dtype.size, node.y.dtype.size)}

    def work(self, node: Node, target: Target) -> dict[str, float]:
        return {"call": 1, "element": node.x.elements, "output": node.y.elements}

    def call(self, node: Node, target: Target) -> Call:
        outer, size, inner = self._box(node)
        return Call(
            {
                "outer": outer,
                "size": size,
                "inner": inner,
                "largest": int(node.type == "arg_max"),
                "wide": int(node.y.dtype is DType.INT64),
            }
        )


@kernel
class ArgExtremumS8(_ArgExtremum):
    """int8."""

    name = "arg_extremum_s8"
    dtype = DType.INT8


@kernel
class ArgExtremumS32(_ArgExtremum):
    """int32."""

    name = "arg_extremum_s32"
    dtype = DType.INT32


@kernel
class ArgExtremumF32(_ArgExtremum):
    """float32."""

    name = "arg_extremum_f32"
    dtype = DType.FLOAT32
