"""int8 convolutions in plain C, two pixels by four channels at a time."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.kernels.common import MAX_ELEMENTS, WINDOW, dilation_fields, taps_inside, window_fields
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


def window_work(node: Node, copied: np.ndarray) -> dict[str, float]:
    """Work of finding the windows of all pixels, and of copying those that leave the image (``copied``, per pixel)."""
    h, w = spatial.geometry(node)
    n, height, width, _ = node.y.shape
    taps, rows = taps_inside(node)
    in_place = n * (height * width - int(copied.sum()))
    copies = n * int(copied.sum())
    taps, rows = (taps - in_place * h.taps * w.taps) * node.x.shape[3], rows - in_place * h.taps
    aligned = node.x.shape[3] % 4 == 0
    return {
        "pixel": n * height * width,
        "copy": copies,
        "copied row": copies * h.taps,
        "seen row": rows,
        "copied word": taps // 4 if aligned else 0,
        "copied byte": 0 if aligned else taps,
        "filled": copies * h.taps * w.taps * node.x.shape[3] - taps,
    }


def product_work(node: Node, pairs: int, rows: int, run: int, width: int) -> dict[str, float]:
    """Work of ``pairs`` times the products of two windows of ``rows`` times ``run`` numbers with all filters."""
    blocks = pairs * -(-node.y.shape[3] // width)
    return {
        "call": 1,
        "pair": pairs,
        "block": blocks,
        "row": blocks * rows,
        "step": blocks * rows * (run // 2),
        "odd": blocks * rows * (run % 2),
        "output": pairs * node.y.shape[3],
    }


@kernel
class Conv2DBlockS8(BlockWindow):
    """Plain C, any window."""

    name = "conv2d_block_s8"

    def work(self, node: Node, target: Target) -> dict[str, float]:
        return product_work(node, pairs(node), *window_rows(node), CHANNELS) | window_work(node, self.copied(node))


@kernel
class Conv2DPointwiseBlockS8(BlockPointwise):
    """Plain C, 1x1."""

    name = "conv2d_pointwise_block_s8"

    def work(self, node: Node, target: Target) -> dict[str, float]:
        depth = node.x.shape[3]
        return product_work(node, -(-node.x.elements // depth // PIXELS), 1, depth, CHANNELS)
