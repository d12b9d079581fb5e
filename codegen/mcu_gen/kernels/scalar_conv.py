"""int8 convolutions in plain C, two pixels by four channels at a time."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.kernels.common import MAX_ELEMENTS, WINDOW, dilation_fields, window_fields
from mcu_gen.kernels.contract import Array, Call, In, Kernel, Out, Scratch, Tiling, Value, kernel
from mcu_gen.kernels.scalar_common import (
    CHANNELS,
    PIXELS,
    copied_per_pair,
    filter_rows,
    interleaved,
    leaves_image,
    padded_bias,
    product_lead,
    scaling,
    unsuitable,
)
from mcu_gen.ops import spatial
from mcu_gen.targets import Target


def not_one_group(node: Node) -> str | None:
    """Why ``node`` is not a convolution in which every output channel reads every input channel; None when it is."""
    if node.type == "depthwise_conv2d":
        return None if node.x.shape[3] == 1 else "more than one input channel"
    return None if node.input(1).shape[3] == node.x.shape[3] else "convolution in groups"


def is_pointwise(node: Node) -> bool:
    """1x1 with stride 1 and without padding."""
    return all((a.taps, a.stride, a.before, a.after) == (1, 1, 0, 0) for a in spatial.geometry(node))


class BlockConvolution(Kernel):
    """What convolutions in blocks have in common; ``width`` channels are multiplied together."""

    ops = ("conv2d", "depthwise_conv2d")
    width = CHANNELS

    def rejects(self, node: Node, target: Target) -> str | None:
        return not_one_group(node) or unsuitable(node, filter_rows)

    def weights(self, node: Node) -> dict[str, Value]:
        """Fields of packed filters and bias."""
        rows = filter_rows(node)
        return {
            "out_c": node.y.shape[3],
            "weights": Array(interleaved(rows, CHANNELS), "weights"),
            "bias": padded_bias(node, rows, CHANNELS),
        }


class BlockWindow(BlockConvolution):
    """Any window: those that leave the image are copied to scratch."""

    def copied(self, node: Node) -> np.ndarray:
        return leaves_image(node, contiguous=True)

    def scratch(self, node: Node, target: Target) -> int:
        return copied_per_pair(self.copied(node)) * int(filter_rows(node).shape[1])

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        # in a tile pixels pair up otherwise
        return None if copied_per_pair(self.copied(node)) == 1 else WINDOW

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        if node.y.elements > MAX_ELEMENTS:
            return {}
        return {(0, 0): product_lead(node, self.width, self.copied(node))}

    def call(self, node: Node, target: Target) -> Call:
        own = {"input_zero_point": node.x.zp}
        fields = window_fields(node) | dilation_fields(node) | self.weights(node) | own | scaling(node)
        return Call(fields, (In(0), Out(0), Scratch()))


class BlockPointwise(BlockConvolution):
    """1x1 filters: a matrix product over the pixels."""

    def rejects(self, node: Node, target: Target) -> str | None:
        if not is_pointwise(node):
            return "not 1x1 with stride 1 and without padding"
        return super().rejects(node, target)

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return Tiling("run", "pixels")

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        if node.y.elements > MAX_ELEMENTS:
            return {}
        pixels = node.x.elements // node.x.shape[3]

        return {(0, 0): product_lead(node, self.width, np.zeros(pixels, bool))}

    def call(self, node: Node, target: Target) -> Call:
        depth = node.x.shape[3]
        own: dict[str, Value] = {"pixels": node.x.elements // depth, "depth": depth}
        return Call(own | self.weights(node) | scaling(node))


def pairs(node: Node) -> int:
    """Pairs of pixels of all images."""
    n, h, w, _ = node.y.shape
    return n * -(-h * w // PIXELS)


def window_rows(node: Node) -> tuple[int, int]:
    """Rows of a filter, and numbers in a row."""
    kh = int(node.input(1).shape[1])
    return kh, int(filter_rows(node).shape[1]) // kh


def copies(copied: np.ndarray, rows: int, run: int, per_row: int) -> int:
    """Instructions for windows that are copied, of ``rows`` times ``run`` bytes."""
    return int(copied.sum()) * rows * (per_row + 2 * run)


@kernel
class Conv2DBlockS8(BlockWindow):
    """Plain C, any window."""

    name = "conv2d_block_s8"

    def cost(self, node: Node, target: Target) -> int:
        kh, run = window_rows(node)
        blocks = -(-node.y.shape[3] // CHANNELS)
        block = kh * (run // 2 * 49 + run % 2 * 25 + 6) + 190
        return pairs(node) * (blocks * block + 190) + copies(self.copied(node), kh, run, 320)


@kernel
class Conv2DPointwiseBlockS8(BlockPointwise):
    """Plain C, 1x1."""

    name = "conv2d_pointwise_block_s8"

    def cost(self, node: Node, target: Target) -> int:
        depth, channels = node.x.shape[3], node.y.shape[3]
        block = depth // 2 * 48 + depth % 2 * 24 + 18
        return -(-node.x.elements // depth // PIXELS) * (-(-channels // CHANNELS) * block + 44 * channels + 64)
