"""Kernels of TRANSPOSE_CONV: every output gathers the inputs whose windows reach it, so no sums are kept in memory."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node, operator
from mcu_gen.kernels.common import (
    MAX_ELEMENTS,
    PLACE,
    bias_field,
    bounds_fields,
    constant,
    place_fields,
    raster_lead,
    scaling_fields,
)
from mcu_gen.kernels.contract import Array, Call, Kernel, Tiling, Value, kernel
from mcu_gen.ops import weights
from mcu_gen.ops.transpose_conv import Axis, geometry
from mcu_gen.targets import Target


def _lowest_input(a: Axis) -> np.ndarray:
    """First input that reaches every output along one axis; ``size`` where none does; int64 [out]."""
    o = np.arange(a.out, dtype=np.int64) + a.before
    first = np.maximum(0, -(-(o - a.taps + 1) // a.stride))
    return np.where(np.minimum(o // a.stride, a.size - 1) >= first, first, a.size)


class _TransposeConv(Kernel):
    ops = ("transpose_conv",)
    dtype: DType
    wide = False

    def rejects(self, node: Node, target: Target) -> str | None:
        if node.x.dtype is not self.dtype:
            return f"input is {node.x.dtype.value}"
        if weights.sums_are_wide(node) != self.wide:
            return "sums have 64 bits" if weights.sums_are_wide(node) else "sums have 32 bits"
        return None

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return PLACE

    def work(self, node: Node, target: Target) -> dict[str, float]:
        channels = node.y.shape[3]
        macs = operator(node.type).macs(node)
        return {
            "call": 1,
            "pixel": node.y.elements // channels,
            "output": node.y.elements,
            "tap": macs // node.x.shape[3],
            "mac": macs,
        }

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        if node.y.elements > MAX_ELEMENTS:
            return {}
        h, w = geometry(node)
        batches, _, _, depth = node.x.shape
        rows, columns = _lowest_input(h), _lowest_input(w)
        inside = (rows[:, None] < h.size) & (columns[None, :] < w.size)
        image = np.where(inside, rows[:, None] * w.size + columns[None, :], h.size * w.size).reshape(-1)
        pixels = (np.arange(batches, dtype=np.int64)[:, None] * (h.size * w.size) + image[None, :]).reshape(-1)
        reads = np.repeat(pixels * depth * node.x.dtype.size, node.y.shape[3])
        return {(0, 0): raster_lead(reads, node.y.dtype.size)}

    def call(self, node: Node, target: Target) -> Call:
        h, w = geometry(node)
        fields: dict[str, Value] = {
            "batches": node.x.shape[0],
            "in_h": h.size,
            "in_w": w.size,
            "in_c": node.x.shape[3],
            **place_fields(node),
            "out_c": node.y.shape[3],
            "filter_h": h.taps,
            "filter_w": w.taps,
            "stride_h": h.stride,
            "stride_w": w.stride,
            "pad_top": h.before,
            "pad_left": w.before,
            "weights": Array(constant(node.input(1)), "weights"),
            "bias": bias_field(node),
        }
        return Call(fields | self.scaling(node))

    def scaling(self, node: Node) -> dict[str, Value]:
        """Fields that take a sum to an output."""
        offset: dict[str, Value] = {"input_offset": -node.x.zp} if self.dtype is DType.INT8 else {}
        return offset | scaling_fields(node)


@kernel
class TransposeConvS8(_TransposeConv):
    """int8."""

    name = "transpose_conv_s8"
    dtype = DType.INT8


@kernel
class TransposeConvS16(_TransposeConv):
    """int16, 64-bit sums."""

    name = "transpose_conv_s16"
    dtype = DType.INT16
    wide = True


@kernel
class TransposeConvS16B32(_TransposeConv):
    """int16, 32-bit sums."""

    name = "transpose_conv_s16_b32"
    dtype = DType.INT16


@kernel
class TransposeConvF32(_TransposeConv):
    """float32."""

    name = "transpose_conv_f32"
    dtype = DType.FLOAT32

    def scaling(self, node: Node) -> dict[str, Value]:
        return bounds_fields(node)
