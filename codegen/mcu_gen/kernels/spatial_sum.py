"""Kernels that reduce a map to one pixel, piece by piece: MEAN over height and width, global AVERAGE_POOL_2D.

Unlike the general kernels they read memory in order and keep a sum per channel, so a fused segment can end in them: the
map that they reduce is never whole.
"""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import bounds_fields
from mcu_gen.kernels.contract import Call, In, Kernel, Out, Scratch, Tiling, Value, halves, kernel
from mcu_gen.ops import spatial, weights
from mcu_gen.ops.mean import axes_of, count_of, scaling
from mcu_gen.targets import Target

#: First and last call in one.
WHOLE = 3


class SpatialSum(Kernel):
    """One pass over the map, one 32-bit sum per channel."""

    dtype: DType

    def rejects(self, node: Node, target: Target) -> str | None:
        del target
        if node.x.dtype is not self.dtype:
            return f"input is {node.x.dtype.value}"
        if len(node.x.shape) != 4 or node.x.shape[0] != 1:
            return f"the input has shape {list(node.x.shape)}, not one map"
        return self.not_the_whole_map(node)

    def not_the_whole_map(self, node: Node) -> str | None:
        """Why the operator does not reduce height and width altogether, or None."""
        raise NotImplementedError(self.name)

    def scratch(self, node: Node, target: Target) -> int:
        del target
        return 4 * node.x.shape[3]

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        del target
        return {(0, 0): 0}  # everything is read before anything is written

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        del node, target
        return Tiling("reduce", "pixels")

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        _, height, width, channels = node.x.shape
        pixels = height * width
        return {
            "call": 1,
            "pixel": pixels,
            "element": pixels * channels,
            "four": pixels * (channels // 4),
            "rest": pixels * (channels % 4),
            "vector": pixels * -(-channels // 16),
            "output": channels,
        }

    def call(self, node: Node, target: Target) -> Call:
        del target
        _, height, width, channels = node.x.shape
        own: dict[str, Value] = {"pixels": height * width, "channels": channels, "part": WHOLE}
        return Call(own | self.division(node), (In(0), Out(0), Scratch()))

    def division(self, node: Node) -> dict[str, Value]:
        """Fields that turn a sum into an output."""
        raise NotImplementedError(self.name)


class _Mean(SpatialSum):
    ops = ("mean",)

    def not_the_whole_map(self, node: Node) -> str | None:
        return None if axes_of(node) == (1, 2) else f"axes are {list(axes_of(node))}"


@kernel
class MeanSpatialS8(_Mean):
    """int8."""

    name = "mean_spatial_s8"
    definitions = ("rows",)
    dtype = DType.INT8

    def division(self, node: Node) -> dict[str, Value]:
        multiplier, shift = scaling(node)
        low, high = node.y.dtype.limits
        return {
            "bias": int(np.int64(-node.x.zp * count_of(node)).astype(np.int32)),
            "multiplier": multiplier,
            "shift": shift,
            "output_zero_point": node.y.zp,
            "low": low,
            "high": high,
        }


@kernel
@halves()
class MeanSpatialF32(_Mean):
    """float32; the numbers of a channel are added in the order of memory."""

    name = "mean_spatial_f32"
    dtype = DType.FLOAT32

    def division(self, node: Node) -> dict[str, Value]:
        return {"count": count_of(node)}


class _AveragePool(SpatialSum):
    ops = ("average_pool2d",)

    def not_the_whole_map(self, node: Node) -> str | None:
        for axis in spatial.geometry(node):
            if (axis.out, axis.taps, axis.before, axis.after) != (1, axis.size, 0, 0):
                return "the window is not the whole map"
        return None


@kernel
class AveragePool2DGlobalS8(_AveragePool):
    """int8."""

    name = "average_pool2d_global_s8"
    definitions = ("rows",)
    dtype = DType.INT8

    def division(self, node: Node) -> dict[str, Value]:
        low, high = weights.output_range(node)
        return {"count": node.x.shape[1] * node.x.shape[2], "low": low, "high": high}


@kernel
@halves()
class AveragePool2DGlobalF32(_AveragePool):
    """float32; the numbers of a channel are added in the order of memory."""

    name = "average_pool2d_global_f32"
    dtype = DType.FLOAT32

    def division(self, node: Node) -> dict[str, Value]:
        return {"count": node.x.shape[1] * node.x.shape[2]} | bounds_fields(node)
