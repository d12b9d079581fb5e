"""Kernels of CONV_2D and DEPTHWISE_CONV_2D, one output element after the other."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node, operator
from mcu_gen.kernels.common import (
    WINDOW,
    bias_field,
    bounds_fields,
    dilation_fields,
    other_weights,
    scaling_fields,
    weights_field,
    window_fields,
    window_overlap,
)
from mcu_gen.kernels.contract import Call, Kernel, Tiling, Value, halves, kernel
from mcu_gen.ops import weights
from mcu_gen.targets import Target


class _Convolution(Kernel):
    """The part that does not depend on the type of the elements."""

    ops = ("conv2d",)
    dtype: DType

    def rejects(self, node: Node, target: Target) -> str | None:
        del target
        return None if node.x.dtype is self.dtype else f"input is {node.x.dtype.value}"

    def cost(self, node: Node, target: Target) -> int:
        del target
        return 8 * operator(node.type).macs(node) + 30 * node.y.elements

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return WINDOW

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        del target
        return window_overlap(node, self.input_channels(node))

    def input_channels(self, node: Node) -> np.ndarray:
        """Lowest input channel that each output channel reads."""
        channels, depth = node.y.shape[3], node.input(1).shape[3]
        per_group = channels // (node.x.shape[3] // depth)
        return np.arange(channels, dtype=np.int64) // per_group * depth

    def window(self, node: Node) -> dict[str, Value]:
        """Shape of the window and of the filters."""
        channels, depth = node.y.shape[3], node.input(1).shape[3]
        own: dict[str, Value] = {
            "filter_c": depth,
            "group_c": channels // (node.x.shape[3] // depth),
            "out_c": channels,
            "weights": weights_field(node),
        }
        return window_fields(node) | dilation_fields(node) | own


class _Depthwise(_Convolution):
    ops = ("depthwise_conv2d",)

    def input_channels(self, node: Node) -> np.ndarray:
        multiplier = node.y.shape[3] // node.x.shape[3]
        return np.arange(node.y.shape[3], dtype=np.int64) // multiplier

    def window(self, node: Node) -> dict[str, Value]:
        own: dict[str, Value] = {
            "depth_multiplier": node.y.shape[3] // node.x.shape[3],
            "out_c": node.y.shape[3],
            "weights": weights_field(node),
        }
        return window_fields(node) | dilation_fields(node) | own


class _Quantized(_Convolution):
    """Integer elements."""

    wide = False

    def rejects(self, node: Node, target: Target) -> str | None:
        if node.x.dtype is DType.INT16 and weights.sums_are_wide(node) != self.wide:
            return "sums have 64 bits" if weights.sums_are_wide(node) else "sums have 32 bits"
        return super().rejects(node, target)

    def call(self, node: Node, target: Target) -> Call:
        del target
        offset: dict[str, Value] = {"input_offset": -node.x.zp} if self.dtype is DType.INT8 else {}
        return Call(self.window(node) | {"bias": bias_field(node)} | offset | scaling_fields(node))


class _Floating(_Convolution):
    """float32: products are added in the order of the weights with one rounding each."""

    dtype = DType.FLOAT32

    def rejects(self, node: Node, target: Target) -> str | None:
        return super().rejects(node, target) or other_weights(self, node)

    def call(self, node: Node, target: Target) -> Call:
        del target
        return Call(self.window(node) | {"bias": bias_field(node)} | bounds_fields(node))


@kernel
class Conv2DS8(_Quantized):
    """int8, any window, any groups."""

    name = "conv2d_s8"
    dtype = DType.INT8


@kernel
class Conv2DS16(_Quantized):
    """int16, 64-bit sums, any window, any groups."""

    name = "conv2d_s16"
    dtype = DType.INT16
    wide = True


@kernel
class Conv2DS16B32(_Quantized):
    """int16, 32-bit sums, any window, any groups."""

    name = "conv2d_s16_b32"
    dtype = DType.INT16


@kernel
@halves(("f16", "f32"), ("f16", "f16"))
class Conv2DF32(_Floating):
    """float32, any window, any groups."""

    name = "conv2d_f32"


@kernel
class DepthwiseConv2DS8(_Depthwise, _Quantized):
    """int8, any window, any depth multiplier."""

    name = "depthwise_conv2d_s8"
    dtype = DType.INT8


@kernel
class DepthwiseConv2DS16(_Depthwise, _Quantized):
    """int16, 64-bit sums, any window, any depth multiplier."""

    name = "depthwise_conv2d_s16"
    dtype = DType.INT16
    wide = True


@kernel
@halves(("f16", "f32"), ("f16", "f16"))
class DepthwiseConv2DF32(_Depthwise, _Floating):
    """float32, any window, any depth multiplier."""

    name = "depthwise_conv2d_f32"
