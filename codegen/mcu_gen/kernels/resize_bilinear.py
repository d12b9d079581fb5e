"""Kernels of RESIZE_BILINEAR; places and weights are tables."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import MAX_ELEMENTS, PLACE, place_fields, raster_lead
from mcu_gen.kernels.contract import Array, Call, Kernel, Tiling, Value, kernel
from mcu_gen.ops.resize_bilinear import places
from mcu_gen.targets import Target

_MAX_SIDE = 1 << 16  # indices are stored in 16 bits


class _ResizeBilinear(Kernel):
    ops = ("resize_bilinear",)
    dtype: DType
    weight: type[np.generic] = np.int16

    def rejects(self, node: Node, target: Target) -> str | None:
        if node.x.dtype is not self.dtype:
            return f"input is {node.x.dtype.value}"
        side = max(node.x.shape[1:3])
        return None if side <= _MAX_SIDE else f"the image is {side} pixels long, at most {_MAX_SIDE}"

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return PLACE

    def work(self, node: Node, target: Target) -> dict[str, float]:
        pixels = node.y.elements // node.y.shape[3]
        return {"call": 1, "row": node.y.shape[0] * node.y.shape[1], "pixel": pixels, "element": node.y.elements}

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        if node.y.elements > MAX_ELEMENTS:
            return {}
        batches, height, width, channels = node.x.shape
        rows, columns = (np.minimum(*places(node, axis)[:2]) for axis in (1, 2))
        image = (rows[:, None] * width + columns[None, :]).reshape(-1)
        pixels = (np.arange(batches, dtype=np.int64)[:, None] * (height * width) + image[None, :]).reshape(-1)
        reads = (pixels[:, None] * channels + np.arange(channels, dtype=np.int64)[None, :]).reshape(-1)
        size = node.x.dtype.size
        return {(0, 0): raster_lead(reads * size, size)}

    def call(self, node: Node, target: Target) -> Call:
        batches, height, _, channels = node.x.shape
        fields: dict[str, Value] = {
            "batches": batches,
            "in_h": height,
            **place_fields(node),
            "channels": channels,
        }
        for axis, name in ((1, "row"), (2, "column")):
            lower, upper, weight = places(node, axis)
            fields[f"{name}s"] = Array(np.stack([lower, upper], axis=1).astype(np.uint16), f"{name}s")
            fields[f"{name}_weight"] = Array(weight.astype(self.weight), f"{name}_weight")
        return Call(fields)


@kernel
class ResizeBilinearS8(_ResizeBilinear):
    """int8."""

    name = "resize_bilinear_s8"
    dtype = DType.INT8


@kernel
class ResizeBilinearS16(_ResizeBilinear):
    """int16, 64-bit sums."""

    name = "resize_bilinear_s16"
    dtype = DType.INT16


@kernel
class ResizeBilinearF32(_ResizeBilinear):
    """float32."""

    name = "resize_bilinear_f32"
    dtype = DType.FLOAT32
    weight = np.float32
