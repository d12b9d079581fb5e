"""int8 depthwise convolution with two 16-bit multiplications per instruction: two taps of four channels at a time."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import (
    MAX_ELEMENTS,
    WINDOW,
    dilation_fields,
    folded_bias,
    window_fields,
    window_starts,
)
from mcu_gen.kernels.contract import Array, Call, In, Kernel, Out, Scratch, Tiling, Value, kernel
from mcu_gen.kernels.dsp_common import filter_rows, halves, inside, lead, needs_clamp, not_exact, output_fields, scaling
from mcu_gen.ops import spatial, weights
from mcu_gen.targets import Target

#: Channels that are computed together.
CHANNELS = 4


@kernel
class DepthwiseConv2DS8Dsp(Kernel):
    """Any window; one filter per channel.

    Taps are read through a table of offsets.  Where a window leaves the image, the table of that pixel leads to a
    pixel of zero points, so every pixel takes the same way.
    """

    name = "depthwise_conv2d_s8_dsp"
    ops = ("depthwise_conv2d",)
    features = ("dsp",)

    def rejects(self, node: Node, target: Target) -> str | None:
        del target
        if node.x.dtype is not DType.INT8:
            return f"input is {node.x.dtype.value}"
        if node.x.is_constant:
            return "input is a constant"  # offsets lead from the input to scratch: both lie in the arena
        if node.y.shape[3] != node.x.shape[3]:
            return "more than one filter per channel"
        if node.y.shape[3] < CHANNELS:
            return f"fewer than {CHANNELS} channels"
        return not_exact(node, filter_rows(node))

    def scratch(self, node: Node, target: Target) -> int:
        """Offsets of the taps; where there is padding, also those of one pixel, and a pixel of zero points."""
        del target
        table = 4 * taps_of(node)
        return 2 * table + node.x.shape[3] if pads(node) else table

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        """Four channels are read before their outputs are written."""
        del target
        if node.y.elements > MAX_ELEMENTS:
            return {}
        channels = node.x.shape[3]
        first = first_channels(channels)
        reads = (window_starts(node) * channels)[:, None] + first
        pixels = np.arange(node.y.elements // channels, dtype=np.int64) * channels
        return {(0, 0): lead(reads.reshape(-1), (pixels[:, None] + first + CHANNELS).reshape(-1))}

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return WINDOW

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        h, w = spatial.geometry(node)
        taps = taps_of(node)
        pixels, channels = node.y.elements // node.y.shape[3], node.y.shape[3]
        border = pixels - node.x.shape[0] * inside(h) * inside(w)
        fours = pixels * -(-channels // CHANNELS)
        return {
            "call": 1,
            "table": taps,
            "line": node.x.shape[0] * h.out,
            "pixel": pixels,
            "four": fours,
            "pair": fours * (taps // 2),
            "turn": fours * -(-(taps // 2) // 4),
            "odd": fours * (taps % 2),
            "overlapping": pixels * (channels % CHANNELS > 0),
            "border": border,
            "border row": border * h.taps,
            "border tap": border * taps,
            "fill": channels if pads(node) else 0,
            "clamped": node.y.elements if needs_clamp(node) else 0,
            "clamped pixel": pixels if needs_clamp(node) else 0,
        }

    def call(self, node: Node, target: Target) -> Call:
        del target
        own: dict[str, Value] = {
            "fill": node.x.zp,
            "stream": Array(four_stream(node, wide=self.expanded), "stream"),
        }
        fields = window_fields(node) | dilation_fields(node)
        return Call(fields | own | output_fields(node), (In(0), Out(0), Scratch()))


def taps_of(node: Node) -> int:
    """Taps of a window."""
    h, w = spatial.geometry(node)
    return h.taps * w.taps


def pads(node: Node) -> bool:
    """Whether some window leaves the image."""
    h, w = spatial.geometry(node)
    return inside(h) < h.out or inside(w) < w.out


def first_channels(channels: int) -> np.ndarray:
    """First channel of each group of four; the last group overlaps the one before where channels are not a multiple."""
    starts = np.arange(0, channels, CHANNELS, dtype=np.int64)
    return np.minimum(starts, channels - CHANNELS)


def four_stream(node: Node, *, wide: bool = False) -> np.ndarray:
    """Weights, biases and scales in the order of ``mg_depthwise_s8_4``; uint32 [fours * (taps + 9)].

    With ``wide`` weights are int16, in the order of ``mg_depthwise_w16_4``; uint32 [fours * (2 * taps + 9)].
    """
    rows = filter_rows(node)
    pairs = rows.shape[1] // 2
    multipliers, right = scaling(node)
    bias = folded_bias(rows, weights.bias_of(node), node.x.zp)
    parts: list[np.ndarray] = []
    for first in first_channels(rows.shape[0]):
        w = rows[first : first + CHANNELS]  # [4, taps]
        paired, odd = (
            w[:, : 2 * pairs].reshape(2, 2, pairs, 2),
            w[:, 2 * pairs :],
        )  # [channel / 2, channel % 2, pair, tap]
        if wide:
            words = [halves(paired.transpose(2, 0, 1, 3)), halves(odd.reshape(2, 2, -1).transpose(2, 1, 0))]
        else:
            packed = np.concatenate([paired.transpose(2, 0, 3, 1).reshape(-1), odd.reshape(-1)])
            words = [np.ascontiguousarray(packed).view("<u4").astype(np.uint32)]
        here = slice(first, first + CHANNELS)
        n1 = np.ascontiguousarray((right[here] - 1).astype(np.uint8)).view("<u4")
        parts += [
            bias[here].astype(np.uint32),
            *(a.reshape(-1) for a in words),
            multipliers[here].astype(np.uint32),
            n1,
        ]
    stream: np.ndarray = np.concatenate(parts).astype(np.uint32)
    return stream
