"""Kernels of CONV_2D and DEPTHWISE_CONV_2D, one output element after the other."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import (
    MAX_ELEMENTS,
    WINDOW,
    bias_field,
    bounds_fields,
    dilation_fields,
    other_weights,
    scaling_fields,
    taps_inside,
    weights_field,
    window_fields,
    window_overlap,
    window_starts,
)
from mcu_gen.kernels.contract import Call, Kernel, Tiling, Value, halves, kernel
from mcu_gen.kernels.mve_rows import ordered_lead
from mcu_gen.ops import spatial, weights
from mcu_gen.targets import Target


class _Convolution(Kernel):
    """The part that does not depend on the type of the elements."""

    ops = ("conv2d",)
    dtype: DType

    def rejects(self, node: Node, target: Target) -> str | None:
        del target
        return None if node.x.dtype is self.dtype else f"input is {node.x.dtype.value}"

    def work(self, node: Node, target: Target) -> dict[str, float]:
        channels, depth = node.y.shape[3], node.input(1).shape[3]
        taps, rows = taps_inside(node)
        return {
            "call": 1,
            "pixel": node.y.elements // channels,
            "output": node.y.elements,
            "row": rows * channels,
            "tap": taps * channels,
            "mac": taps * channels * depth,
            "vector": taps * channels * -(-depth // 16),
        }

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

    def work(self, node: Node, target: Target) -> dict[str, float]:
        channels = node.y.shape[3]
        taps, rows = taps_inside(node)
        return {
            "call": 1,
            "pixel": node.y.elements // channels,
            "output": node.y.elements,
            "row": rows * channels,
            "mac": taps * channels,
        }

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


def channel_blocks(channels: int, group: int) -> tuple[np.ndarray, np.ndarray]:
    """First channel of every block of four, or of one where a group has no four left, and the channel behind it."""
    first = [g + c for g in range(0, channels, group) for c in range(group) if c % 4 == 0 or c >= group // 4 * 4]
    return np.array(first, np.int64), np.array([*first[1:], channels], np.int64)


def pixel_pairs(axis: spatial.Axis) -> tuple[np.ndarray, np.ndarray]:
    """First pixel of every pair of a row, or of a pixel on its own, and the pixel behind it.

    Two pixels are computed together where the windows of both lie inside the row.
    """
    origins = axis.origins()
    inside = (origins >= 0) & (origins + axis.extent <= axis.size)
    first = []
    pixel = 0
    while pixel < axis.out:
        first.append(pixel)
        pixel += 2 if inside[pixel : pixel + 2].sum() == 2 else 1
    return np.array(first, np.int64), np.array([*first[1:], axis.out], np.int64)


def inside(axis: spatial.Axis) -> np.ndarray:
    """Taps of each window that lie inside the image; int64 [out]."""
    position = axis.origins()[:, None] + np.arange(axis.taps, dtype=np.int64) * axis.dilation
    found: np.ndarray = ((position >= 0) & (position < axis.size)).sum(axis=1)
    return found


@kernel
@halves(("f16", "f32"), ("f16", "f16"))
class Conv2DF32(_Floating):
    """float32, any window, any groups: four channels of two pixels at a time, of one at the borders."""

    name = "conv2d_f32"

    def work(self, node: Node, target: Target) -> dict[str, float]:
        channels, depth = node.y.shape[3], node.input(1).shape[3]
        groups = node.x.shape[3] // depth
        fours, ones = (groups * n for n in divmod(channels // groups, 4))
        h, w = spatial.geometry(node)
        rows, columns = (inside(a) for a in (h, w))
        first, end = pixel_pairs(w)
        pairs, seen_rows = int((end - first == 2).sum()), node.x.shape[0] * int(rows.sum())
        alone = w.out - 2 * pairs
        taps_2, taps_1 = pairs * w.taps, int(columns[first[end - first == 1]].sum())
        lines = node.x.shape[0] * h.out
        work: dict[str, float] = {"call": 1, "line": lines, "pixels": lines * (pairs + alone)}
        whole = groups == 1 and w.dilation == 1  # a row of taps is one piece
        for unit, blocks, windows, taps in (
            ("two", fours, pairs, taps_2),
            ("four", fours, alone, taps_1),
            ("one", ones, 2 * pairs + alone, 2 * taps_2 + taps_1),
        ):
            work[unit] = blocks * windows * lines
            work[f"{unit} row"] = blocks * windows * seen_rows
            work[f"{unit} piece"] = blocks * (windows if whole else taps) * seen_rows
            work[f"{unit} step"] = blocks * taps * depth * seen_rows
        return work

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        """Four channels of both pixels of a pair are written before the next four are computed."""
        del target
        if node.y.elements > MAX_ELEMENTS:
            return {}
        channels = node.y.shape[3]
        reads = self.input_channels(node)
        blocks = channel_blocks(channels, channels // (node.x.shape[3] // node.input(1).shape[3]))
        starts = window_starts(node).reshape(-1, node.y.shape[2]) * node.x.shape[3]
        first, end = pixel_pairs(spatial.geometry(node)[1])
        rows = np.arange(starts.shape[0], dtype=np.int64)[:, None] * node.y.shape[2]
        read = (starts[:, first][:, :, None] + reads[blocks[0]]).reshape(-1)
        written = (((rows + end - 1) * channels)[:, :, None] + blocks[1]).reshape(-1)
        return {(0, 0): ordered_lead(written, read) * node.y.dtype.size}


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

    def work(self, node: Node, target: Target) -> dict[str, float]:
        channels = node.y.shape[3]
        fours, ones = divmod(channels, 4) if channels == node.x.shape[3] else (0, channels)
        pixels = node.y.elements // channels
        taps, rows = taps_inside(node)
        work: dict[str, float] = {"call": 1, "pixel": pixels}
        work |= {"four": pixels * fours, "four row": rows * fours, "four tap": taps * fours}
        return work | {"one": pixels * ones, "one row": rows * ones, "one tap": taps * ones}
