"""Kernel of RESIZE_NEAREST_NEIGHBOR."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.kernels.common import PLACE, copied_work, place_fields
from mcu_gen.kernels.contract import Array, Call, Kernel, Tiling, kernel
from mcu_gen.kernels.strided import MAX_RUNS, sequential_lead
from mcu_gen.ops.resize_nearest_neighbor import source_rows_and_columns
from mcu_gen.targets import Target

_MAX_SIDE = 1 << 16  # indices are stored in 16 bits


@kernel
class ResizeNearestNeighbor(Kernel):
    """Pixels of any size; the source rows and columns are tables, so no arithmetic is left for the device."""

    name = "resize_nearest_neighbor"
    ops = ("resize_nearest_neighbor",)

    def rejects(self, node: Node, target: Target) -> str | None:
        side = max(node.x.shape[1:3])
        return None if side <= _MAX_SIDE else f"the image is {side} pixels long, at most {_MAX_SIDE}"

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        batches, height, width, channels = node.x.shape
        if batches * node.y.shape[1] * node.y.shape[2] > MAX_RUNS:
            return {}
        pixel = channels * node.x.dtype.size
        rows, columns = source_rows_and_columns(node)
        image = np.arange(batches, dtype=np.int64)[:, None, None] * (height * width)
        starts = (image + rows[None, :, None] * width + columns[None, None, :]) * pixel
        return {(0, 0): sequential_lead(starts.reshape(-1), pixel)}

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return PLACE

    def work(self, node: Node, target: Target) -> dict[str, float]:
        batches, height, width, channels = node.y.shape
        pixels, size = batches * height * width, channels * node.y.dtype.size
        return {"call": 1, "row": batches * height, "pixel": pixels} | copied_work([size], pixels)

    def call(self, node: Node, target: Target) -> Call:
        batches, in_height, _, channels = node.x.shape
        rows, columns = source_rows_and_columns(node)
        return Call(
            {
                "batches": batches,
                "in_h": in_height,
                **place_fields(node),
                "pixel": channels * node.x.dtype.size,
                "rows": Array(rows.astype(np.uint16), "rows"),
                "columns": Array(columns.astype(np.uint16), "columns"),
            }
        )
