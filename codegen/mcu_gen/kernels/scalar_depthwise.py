"""int8 depthwise convolution in plain C, two pixels by four channels at a time."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.kernels.common import MAX_ELEMENTS, WINDOW, dilation_fields, window_fields, window_starts
from mcu_gen.kernels.contract import Array, Call, Kernel, Tiling, Value, kernel
from mcu_gen.kernels.scalar_common import (
    CHANNELS,
    event_lead,
    interleaved,
    leaves_image,
    padded_bias,
    scaling,
    tap_rows,
    unsuitable,
)
from mcu_gen.ops import spatial, weights
from mcu_gen.targets import Target


def row_groups(node: Node) -> tuple[np.ndarray, np.ndarray]:
    """First and last pixel of what is computed together: pairs whose windows lie inside, other pixels alone.

    Pairs do not cross rows.  int64 [groups] each, all images.
    """
    n, height, width, _ = node.y.shape
    outside = leaves_image(node, contiguous=False).reshape(height, width)
    first: list[int] = []
    last: list[int] = []
    for row in range(height):
        column = 0
        while column < width:
            pair = column + 1 < width and not outside[row, column] and not outside[row, column + 1]
            first.append(row * width + column)
            last.append(row * width + column + pair)
            column += 2 if pair else 1
    images = np.arange(n, dtype=np.int64)[:, None] * (height * width)
    return (images + np.array(first)).reshape(-1), (images + np.array(last)).reshape(-1)


def border_taps(node: Node, pixels: np.ndarray) -> tuple[int, int]:
    """Taps inside the image, and rows of them, of all windows of ``pixels`` (of all images, flat)."""
    inside = []
    for axis in spatial.geometry(node):
        position = axis.origins()[:, None] + np.arange(axis.taps) * axis.dilation
        inside.append(((position >= 0) & (position < axis.size)).sum(axis=1))
    row, column = np.divmod(pixels % (inside[0].size * inside[1].size), inside[1].size)
    return int((inside[0][row] * inside[1][column]).sum()), int(inside[0][row].sum())


def channel_starts(channels: int) -> np.ndarray:
    """First channel of every block: four at a time, the rest one by one; int64."""
    whole = channels - channels % CHANNELS
    return np.concatenate([np.arange(0, whole, CHANNELS), np.arange(whole, channels)]).astype(np.int64)


def edge_bias(node: Node) -> Array:
    """The bias of the model, or zeros; int32 [OC].  At the border only the taps inside the image are added."""
    bias = weights.bias_of(node)
    return Array(np.zeros(node.y.shape[3], np.int32) if bias is None else bias, "bias")


class BlockDepthwise(Kernel):
    """What depthwise convolutions in blocks of channels have in common (one filter per input channel)."""

    ops = ("depthwise_conv2d",)

    def rejects(self, node: Node, target: Target) -> str | None:
        if node.x.shape[3] != node.y.shape[3]:
            return "more than one filter per input channel"
        return unsuitable(node, tap_rows)

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return WINDOW


@kernel
class DepthwiseConv2DBlockS8(BlockDepthwise):
    """Plain C, any window."""

    name = "depthwise_conv2d_block_s8"

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        """A block of channels of a pixel or pair is read as a whole before it is written."""
        if node.y.elements > MAX_ELEMENTS:
            return {}
        channels = node.y.shape[3]
        first, last = row_groups(node)
        starts = channel_starts(channels)
        stops = np.append(starts[1:], channels)
        reads = window_starts(node)[first][:, None] * channels + starts[None, :]
        ends = last[:, None] * channels + stops[None, :]
        return {(0, 0): event_lead(reads.reshape(-1), ends.reshape(-1))}

    def work(self, node: Node, target: Target) -> dict[str, float]:
        kh, kw = node.input(1).shape[1:3]
        first, last = row_groups(node)
        pairs, alone = int((last > first).sum()), int((last == first).sum())
        taps, rows = border_taps(node, first[last == first])
        blocks, rest = divmod(node.y.shape[3], CHANNELS)
        return {
            "call": 1,
            "line": node.y.shape[0] * node.y.shape[1],
            "pair": pairs,
            "block": pairs * blocks,
            "row": pairs * kh * (blocks + rest),
            "step": pairs * kh * kw * blocks,
            "rest": pairs * rest,
            "rest step": pairs * kh * kw * rest,
            "alone": alone,
            "alone block": alone * blocks,
            "alone row": rows * (blocks + rest),
            "alone step": taps * blocks,
            "alone rest": alone * rest,
            "alone rest step": taps * rest,
        }

    def call(self, node: Node, target: Target) -> Call:
        rows = tap_rows(node)
        own: dict[str, Value] = {
            "out_c": node.y.shape[3],
            "weights": Array(interleaved(rows, CHANNELS), "weights"),
            "bias": padded_bias(node, rows, 1),
            "edge_bias": edge_bias(node),
            "input_zero_point": node.x.zp,
        }
        return Call(window_fields(node) | dilation_fields(node) | own | scaling(node))
