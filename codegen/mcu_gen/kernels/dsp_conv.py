"""int8 convolutions with two 16-bit multiplications per instruction: three pixels by two channels at a time.

The windows of three pixels are widened to columns of int16 in scratch (im2col); weights stay int8 in flash, in the
order in which the micro-kernel ``mg_block_s8_2x3`` reads them, with their biases and scales between them.
"""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import (
    MAX_ELEMENTS,
    WINDOW,
    dilation_fields,
    padded_columns,
    raster_lead,
    taps_inside,
    window_fields,
    window_starts,
)
from mcu_gen.kernels.contract import Array, Call, In, Kernel, Out, Scratch, Tiling, Value, kernel
from mcu_gen.kernels.dsp_common import filter_rows, inside, needs_clamp, not_exact, output_fields, pair_stream
from mcu_gen.ops import spatial
from mcu_gen.targets import Target

#: Pixels that are multiplied together.
PIXELS = 3


class _Blocks(Kernel):
    ops = ("conv2d", "depthwise_conv2d")
    features = ("dsp",)

    def rejects(self, node: Node, target: Target) -> str | None:
        del target
        if node.x.dtype is not DType.INT8:
            return f"input is {node.x.dtype.value}"
        if node.type == "depthwise_conv2d" and node.x.shape[3] != 1:
            return "more than one input channel"
        if node.type == "conv2d" and node.input(1).shape[3] != node.x.shape[3]:
            return "convolution in groups"
        return not_exact(node, filter_rows(node))

    def columns(self, node: Node) -> np.ndarray:
        """Filters as they are multiplied with columns; int8 [OC, depth]."""
        return padded_columns(filter_rows(node), 4)

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        """The windows of three pixels are read before their outputs are written."""
        del target
        if node.y.elements > MAX_ELEMENTS:
            return {}
        starts = window_starts(node) * node.x.shape[3]
        starts = np.concatenate([starts, np.full(-starts.size % PIXELS, starts[-1])])
        return {(0, 0): raster_lead(starts.reshape(-1, PIXELS).min(axis=1), PIXELS * node.y.shape[3])}

    def block_work(self, node: Node) -> dict[str, float]:
        """Work of the micro-kernel and around it, without that for the columns."""
        pixels, channels = node.y.elements // node.y.shape[3], node.y.shape[3]
        blocks, pairs = -(-pixels // PIXELS), -(-channels // 2)
        steps = depth_of(node) // 4
        return {
            "call": 1,
            "block": blocks,
            "pair": blocks * pairs,
            "step": blocks * pairs * steps,
            "turn": blocks * pairs * -(-steps // 4),
            "odd": blocks * (channels % 2),
            "clamped": node.y.elements if needs_clamp(node) else 0,
            "clamped pixel": pixels if needs_clamp(node) else 0,
        }

    def product_fields(self, node: Node) -> dict[str, Value]:
        own: dict[str, Value] = {
            "depth": depth_of(node),
            "out_c": node.y.shape[3],
            "stream": Array(pair_stream(node, self.columns(node), wide=self.expanded), "stream"),
        }
        return own | output_fields(node)


@kernel
class Conv2DPointwiseS8Dsp(_Blocks):
    """1x1, stride 1: pixels lie one behind the other."""

    name = "conv2d_pointwise_s8_dsp"

    def rejects(self, node: Node, target: Target) -> str | None:
        why = super().rejects(node, target)
        if why is None and any((a.taps, a.stride, a.before, a.after) != (1, 1, 0, 0) for a in spatial.geometry(node)):
            why = "not 1x1 with stride 1 and without padding"
        return why

    def scratch(self, node: Node, target: Target) -> int:
        del target
        return PIXELS * 2 * depth_of(node)

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return Tiling("run", "pixels")

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        depth = node.x.shape[3]
        blocks = -(-node.y.elements // node.y.shape[3] // PIXELS)
        return self.block_work(node) | {"column": blocks * (depth // 4), "column end": blocks * (depth % 4 > 0)}

    def call(self, node: Node, target: Target) -> Call:
        del target
        own: dict[str, Value] = {"pixels": node.x.elements // node.x.shape[3], "in_c": node.x.shape[3]}
        return Call(own | self.product_fields(node), (In(0), Out(0), Scratch()))


@kernel
class Conv2DS8Dsp(_Blocks):
    """Any window.

    Windows inside the image are read where they lie, in whole words: where a row of a window is no multiple of four
    numbers, what follows it in memory is multiplied by 0.  Others are gathered tap by tap first.
    """

    name = "conv2d_s8_dsp"

    def columns(self, node: Node) -> np.ndarray:
        h, _ = spatial.geometry(node)
        rows = filter_rows(node).reshape(node.y.shape[3], h.taps, -1)
        padded: np.ndarray = np.pad(rows, ((0, 0), (0, 0), (0, row_of(node) - rows.shape[2])))
        return padded_columns(padded.reshape(node.y.shape[3], -1), 4)

    def scratch(self, node: Node, target: Target) -> int:
        """Three columns of int16; and of int8 one window, where one is gathered tap by tap first."""
        del target
        return (PIXELS * 2 + gathers(node)) * depth_of(node)

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return WINDOW

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        h, w = spatial.geometry(node)
        words = row_of(node) // 4
        threes, alone = windows_in_place(node)
        gathered = node.y.elements // node.y.shape[3] - 3 * threes - alone
        # rows of taps inside the image, and the numbers in them, of the windows that are gathered
        inside, seen = taps_inside(node)
        inside -= (3 * threes + alone) * h.taps * w.taps
        seen -= (3 * threes + alone) * h.taps
        return self.block_work(node) | {
            "line": node.x.shape[0] * h.out,
            "three": threes,
            "three row": threes * h.taps,
            "three column": threes * h.taps * words,
            "alone": alone,
            "alone row": alone * h.taps,
            "alone column": alone * h.taps * words,
            "gathered": gathered,
            "gathered row": gathered * h.taps,
            "seen row": seen,
            "copied": inside * node.x.shape[3],
            "filled": (gathered * h.taps * w.taps - inside) * node.x.shape[3],
            "gathered column": gathered * depth_of(node) // 4,
        }

    def call(self, node: Node, target: Target) -> Call:
        del target
        own: dict[str, Value] = {
            "run": run_of(node),
            "row": row_of(node),
            "direct": int(reads_in_place(node)),
            "fill": node.x.zp,
        }
        fields = window_fields(node) | dilation_fields(node)
        return Call(fields | own | self.product_fields(node), (In(0), Out(0), Scratch()))


def run_of(node: Node) -> int:
    """Taps of one row of a window, with all their channels."""
    return spatial.geometry(node)[1].taps * node.x.shape[3]


def row_of(node: Node) -> int:
    """Numbers of a column for each row of a window: filled up to a multiple of 4 where that adds less than half."""
    h, w = spatial.geometry(node)
    run = run_of(node)
    words = -(-run // 4) * 4
    return words if w.dilation == 1 and 2 * words * h.taps <= 3 * (run * h.taps + 3) else run


def depth_of(node: Node) -> int:
    """Length of a column, a multiple of 4."""
    return -(-row_of(node) * spatial.geometry(node)[0].taps // 4) * 4


def reads_in_place(node: Node) -> bool:
    """Whether windows inside the image are read where they lie."""
    return spatial.geometry(node)[1].dilation == 1 and row_of(node) % 4 == 0


def windows_in_place(node: Node) -> tuple[int, int]:
    """Windows that are read where they lie: threes of neighbours that make a block, and single ones."""
    if not reads_in_place(node):
        return 0, 0
    h, w = spatial.geometry(node)
    last_y, last_x = h.size - h.extent, w.size - w.taps
    below = last_x if row_of(node) == run_of(node) else w.size - -(-row_of(node) // node.x.shape[3])
    columns = w.origins().tolist()
    threes = alone = found = 0
    for y0 in h.origins().tolist() * node.x.shape[0]:
        last = last_x if y0 < last_y else below
        inside = [0 <= y0 <= last_y and 0 <= x0 <= last for x0 in columns]
        at = 0
        while at < len(columns):
            if found == 0 and at + 3 <= len(columns) and inside[at] and inside[at + 2]:
                threes, at = threes + 1, at + 3
                continue
            alone += inside[at]
            found, at = (found + 1) % PIXELS, at + 1
    return threes, alone


def gathers(node: Node) -> bool:
    """Whether some window is gathered: it leaves the image, or its words would."""
    h, w = spatial.geometry(node)
    if not reads_in_place(node) or inside(h) < h.out or inside(w) < w.out:
        return True
    words = -(-row_of(node) // node.x.shape[3])  # pixels
    return bool(h.origins()[-1] + h.extent == h.size and w.origins()[-1] + words > w.size)
