"""int8 convolutions with channels along long vectors (RISC-V V), two pixels at a time."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.kernels.common import MAX_ELEMENTS, dilation_fields, window_fields, window_starts
from mcu_gen.kernels.contract import Call, In, Out, Scratch, Value, kernel
from mcu_gen.kernels.rvv_common import LANES, channels_last, scaling, too_low, vectors
from mcu_gen.kernels.scalar_common import block_ends, event_lead, filter_rows, padded_bias, tap_rows
from mcu_gen.kernels.scalar_conv import (
    BlockConvolution,
    BlockPointwise,
    BlockWindow,
    pairs,
    product_work,
    window_rows,
    window_work,
)
from mcu_gen.kernels.scalar_depthwise import BlockDepthwise, border_taps, edge_bias, row_groups
from mcu_gen.targets import Target


class _Product(BlockConvolution):
    """Matrix product of two windows with filters [K, OC]."""

    features = ("rvv",)
    definitions = ("lanes",)
    width = LANES

    def rejects(self, node: Node, target: Target) -> str | None:
        return super().rejects(node, target) or too_low(filter_rows(node))

    def weights(self, node: Node) -> dict[str, Value]:
        rows = filter_rows(node)
        return {"out_c": node.y.shape[3], "weights": channels_last(rows), "bias": padded_bias(node, rows, 1)}


@kernel
class Conv2DS8Rvv(_Product, BlockWindow):
    """Any window; those that leave the image are copied to scratch."""

    name = "conv2d_s8_rvv"

    def work(self, node: Node, target: Target) -> dict[str, float]:
        return product_work(node, pairs(node), *window_rows(node), LANES) | window_work(node, self.copied(node))

    def call(self, node: Node, target: Target) -> Call:
        own = {"input_zero_point": node.x.zp}
        fields = window_fields(node) | dilation_fields(node) | self.weights(node) | own | scaling(node)
        return Call(fields, (In(0), Out(0), Scratch()))


@kernel
class Conv2DPointwiseS8Rvv(_Product, BlockPointwise):
    """1x1."""

    name = "conv2d_pointwise_s8_rvv"

    def work(self, node: Node, target: Target) -> dict[str, float]:
        depth = node.x.shape[3]
        return product_work(node, -(-node.x.elements // depth // 2), 1, depth, LANES)

    def call(self, node: Node, target: Target) -> Call:
        depth = node.x.shape[3]
        own: dict[str, Value] = {"pixels": node.x.elements // depth, "depth": depth}
        return Call(own | self.weights(node) | scaling(node))


@kernel
class DepthwiseConv2DS8Rvv(BlockDepthwise):
    """Any window; at the border only the taps inside the image."""

    name = "depthwise_conv2d_s8_rvv"
    features = ("rvv",)
    definitions = ("lanes",)

    def rejects(self, node: Node, target: Target) -> str | None:
        return super().rejects(node, target) or too_low(tap_rows(node))

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        """A vector of channels of a pixel or pair is read as a whole before it is written."""
        if node.y.elements > MAX_ELEMENTS:
            return {}
        channels = node.y.shape[3]
        first, last = row_groups(node)
        starts = np.arange(0, channels, LANES, dtype=np.int64)
        reads = window_starts(node)[first][:, None] * channels + starts[None, :]
        return {(0, 0): event_lead(reads.reshape(-1), block_ends(last, channels, LANES))}

    def work(self, node: Node, target: Target) -> dict[str, float]:
        kh, kw = node.input(1).shape[1:3]
        first, last = row_groups(node)
        inside, alone = int((last > first).sum()), int((last == first).sum())
        taps, rows = border_taps(node, first[last == first])
        blocks = vectors(node.y.shape[3])
        return {
            "call": 1,
            "line": node.y.shape[0] * node.y.shape[1],
            "pair": inside,
            "block": inside * blocks,
            "row": inside * blocks * kh,
            "step": inside * blocks * kh * (kw // 2),
            "odd": inside * blocks * kh * (kw % 2),
            "alone": alone,
            "alone block": alone * blocks,
            "alone row": rows * blocks,
            "alone tap": taps * blocks,
        }

    def call(self, node: Node, target: Target) -> Call:
        rows = tap_rows(node)
        own: dict[str, Value] = {
            "out_c": node.y.shape[3],
            "weights": channels_last(rows),
            "bias": padded_bias(node, rows, 1),
            "edge_bias": edge_bias(node),
            "input_zero_point": node.x.zp,
        }
        return Call(window_fields(node) | dilation_fields(node) | own | scaling(node))
