"""Kernels of AVERAGE_POOL_2D and MAX_POOL_2D, one output element after the other."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import WINDOW, bounds_fields, taps_inside, window_fields, window_overlap
from mcu_gen.kernels.contract import Call, Kernel, Tiling, halves, kernel
from mcu_gen.ops import weights
from mcu_gen.targets import Target


class _Pool(Kernel):
    dtype: DType

    def rejects(self, node: Node, target: Target) -> str | None:
        del target
        return None if node.x.dtype is self.dtype else f"input is {node.x.dtype.value}"

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        channels = node.y.shape[3]
        taps, rows = taps_inside(node)
        return {
            "call": 1,
            "pixel": node.y.elements // channels,
            "output": node.y.elements,
            "row": rows * channels,
            "tap": taps * channels,
            "four": taps * (channels // 4),
            "rest": taps * (channels % 4),
            "vector": taps * -(-channels // 16),
            "vector pixel": node.y.elements // channels * -(-channels // 16),
        }

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return WINDOW

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        del target
        return window_overlap(node, np.arange(node.x.shape[3], dtype=np.int64))

    def call(self, node: Node, target: Target) -> Call:
        del target
        if self.dtype.is_float:
            return Call(window_fields(node) | bounds_fields(node))
        low, high = weights.output_range(node)
        return Call(window_fields(node) | {"low": low, "high": high})


@kernel
class AveragePool2DS8(_Pool):
    name = "average_pool2d_s8"
    definitions = ("rows",)
    ops = ("average_pool2d",)
    dtype = DType.INT8


@kernel
class AveragePool2DS16(_Pool):
    name = "average_pool2d_s16"
    ops = ("average_pool2d",)
    dtype = DType.INT16


@kernel
@halves()
class AveragePool2DF32(_Pool):
    name = "average_pool2d_f32"
    ops = ("average_pool2d",)
    dtype = DType.FLOAT32


@kernel
class MaxPool2DS8(_Pool):
    name = "max_pool2d_s8"
    definitions = ("rows",)
    ops = ("max_pool2d",)
    dtype = DType.INT8


@kernel
class MaxPool2DS16(_Pool):
    name = "max_pool2d_s16"
    ops = ("max_pool2d",)
    dtype = DType.INT16


@kernel
@halves()
class MaxPool2DF32(_Pool):
    name = "max_pool2d_f32"
    ops = ("max_pool2d",)
    dtype = DType.FLOAT32
