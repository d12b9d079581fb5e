"""int8 DEPTHWISE_CONV_2D on cores with MVE: the taps of a window lie in the lanes of a vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import MAX_ELEMENTS, WINDOW, constant, folded_bias, window_fields
from mcu_gen.kernels.contract import Array, Call, In, Kernel, Out, Scratch, Tiling, kernel
from mcu_gen.kernels.mve_rows import ANY, LANES, POSITIVE, blocks, known_scaling, ordered_lead
from mcu_gen.ops import spatial, weights
from mcu_gen.targets import Target

#: Channels that are separated together.
GROUP = 8
#: Vectors of the longest window.
MAX_BLOCKS = 4
#: Bytes of scratch up to which several rows, or all channels, are laid out together.
STRIP_BYTES = 4096
#: Rows of outputs that are computed together: one vector of sums.
MAX_ROWS = 4


@dataclass(frozen=True)
class Strip:
    """What is computed together, and what that takes.

    Attributes:
        rows: rows of outputs.
        channels: input channels.
        column: rows of inputs.
        window: numbers from the first to the last tap, in columns of ``column`` numbers.
        bytes: of scratch.
    """

    rows: int
    channels: int
    column: int
    window: int
    bytes: int


def _strip(node: Node, rows: int, channels: int) -> Strip:
    h, w = spatial.geometry(node)
    columns = (w.out - 1) * w.stride + w.extent
    column = (rows - 1) * h.stride + h.extent
    window = (w.extent - 1) * column + h.extent
    return Strip(rows, channels, column, window, channels * columns * column + blocks(window) * LANES - window)


def strip(node: Node) -> Strip | None:
    """All channels of as many rows as fit into :data:`STRIP_BYTES`; else eight channels of some rows.

    With all channels, a strip has been read before any of its outputs is written; otherwise the output has to stay
    behind the input by that many rows, which count like scratch.  More rows are only taken as long as a window takes no
    more vectors for it.  None where a window is too long.
    """
    h, w = spatial.geometry(node)
    depth = node.x.shape[3]
    single = _strip(node, 1, depth)
    if blocks(single.window) > MAX_BLOCKS:
        return None
    row_bytes = h.stride * w.size * depth
    best = _strip(node, 1, min(depth, GROUP))
    for rows in range(1, min(h.out, MAX_ROWS) + 1):
        for channels, waiting in ((min(depth, GROUP), (rows - 1) * row_bytes), (depth, 0)):
            found = _strip(node, rows, channels)
            if found.bytes + waiting <= STRIP_BYTES and blocks(found.window) == blocks(single.window):
                best = found
    return best


@kernel
class DepthwiseConv2DS8Mve(Kernel):
    """Any window of up to 64 numbers, any depth multiplier."""

    name = "depthwise_conv2d_s8_mve"
    ops = ("depthwise_conv2d",)
    features = ("mve",)
    definitions = ("vector128",)

    def rejects(self, node: Node, target: Target) -> str | None:
        if node.x.dtype is not DType.INT8:
            return f"input is {node.x.dtype.value}"
        found = strip(node)
        if found is None:
            return "the window is too large"
        _, w = spatial.geometry(node)
        if found.bytes > 2 * STRIP_BYTES or ((w.out - 1) * w.stride + w.extent) * found.column >= 1 << 13:
            return f"a row of windows takes {found.bytes} bytes of scratch"
        return None

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return WINDOW

    def scratch(self, node: Node, target: Target) -> int:
        return self._strip(node).bytes

    @staticmethod
    def _strip(node: Node) -> Strip:
        found = strip(node)
        assert found is not None, f"{node.name} is not served"
        return found

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        """Rows that are computed together are read again for the next channels, after some channels are written."""
        if node.y.elements > MAX_ELEMENTS:
            return {}
        h, w = spatial.geometry(node)
        depth, channels = node.x.shape[3], node.y.shape[3]
        rows = self._strip(node).rows
        first = np.arange(0, h.out, rows, dtype=np.int64)
        end = np.minimum(first + rows, h.out)
        batch = np.arange(node.x.shape[0], dtype=np.int64)[:, None]
        top = np.clip(first * h.stride - h.before, 0, h.size) + batch * h.size
        lines = (end + batch * h.out).reshape(-1) * w.out
        together = self._strip(node).channels
        groups = -(-depth // together)
        left = min(max(-w.before, 0), w.size)
        starts = (top.reshape(-1) * w.size + left) * depth
        if groups == 1:
            return {(0, 0): ordered_lead(lines * channels, starts)}
        # before the last group is read, all pixels have their channels up to those of the group before
        last = (groups - 1) * together
        written = (lines - 1) * channels + last * (channels // depth)
        ends = np.stack([written, lines * channels], axis=1).reshape(-1)
        return {(0, 0): ordered_lead(ends, np.stack([starts, starts + last], axis=1).reshape(-1))}

    def work(self, node: Node, target: Target) -> dict[str, float]:
        h, w = spatial.geometry(node)
        n, _, _, depth = node.x.shape
        s = self._strip(node)
        seen = max(min((w.out - 1) * w.stride + w.extent - w.before, w.size) - max(-w.before, 0), 0)
        together = [min(s.channels, depth - c) for c in range(0, depth, s.channels)]
        full, part = sum(c // GROUP for c in together), sum(c % GROUP > 0 for c in together)
        work: dict[str, float] = {"call": 1, "filled": s.channels * s.column * (s.bytes > 0)}
        for first in range(0, h.out, s.rows):
            rows = min(s.rows, h.out - first)
            positions = first * h.stride - h.before + np.arange((rows - 1) * h.stride + h.extent)
            lines = int(((positions >= 0) & (positions < h.size)).sum())
            of_strip = {
                "strip": 1,
                "group": len(together),
                "line": lines * len(together),
                "line group": lines * (full + part),
                "line fours": lines * full * (seen // 4),
                "line pixel": lines * (full * (seen % 4) + part * seen),
                "line outside": (len(positions) - lines) * len(together),
                "filled pixel": (len(positions) - lines) * (full + part) * seen,
            }
            for unit, count in (of_strip | self._channel_work(node, s, rows)).items():
                work[unit] = work.get(unit, 0) + n * count
        return work

    @staticmethod
    def _channel_work(node: Node, s: Strip, rows: int) -> dict[str, float]:
        """Work of all channels of a strip of ``rows`` rows."""
        h, w = spatial.geometry(node)
        channels = node.y.shape[3]
        runs, length = (w.out, rows) if rows == MAX_ROWS else (rows, w.out)
        vectors, known = blocks(s.window), known_scaling(node)
        ties = "" if known == POSITIVE else " with ties"
        if length < 4 or known == ANY:
            fours = channels * runs * -(-length // 4)
            return {
                "any channel": channels,
                "any run": channels * runs,
                "any four": fours,
                "any vector": fours * vectors,
            }
        if length == 4 and vectors == 1:
            down = " down" if known == POSITIVE and h.stride == 1 and rows == MAX_ROWS else ""
            return {"one channel": channels, f"one four{ties}{down}": channels * runs}
        passes, last = (runs * (length // 4), runs * (length % 4 > 0)) if length > 4 else (0, runs)
        loops = (runs if length > 4 else 0) + (last > 0)
        return {
            "channel": channels,
            f"loop {vectors}": channels * loops,
            f"four {vectors}{ties}": channels * (passes + last),
        }

    def call(self, node: Node, target: Target) -> Call:
        h, w = spatial.geometry(node)
        s = self._strip(node)
        filters = constant(node.input(1))[0]  # [filter_h, filter_w, out_c]
        channels = filters.shape[2]
        taps = np.zeros((channels, w.extent, s.column), np.int8)
        taps[:, :: w.dilation, : h.extent : h.dilation] = filters.transpose(2, 1, 0)
        taps = taps.reshape(channels, -1)[:, : s.window]
        bias = folded_bias(taps, weights.bias_of(node), node.x.zp)
        low, high = weights.output_range(node)
        fields = window_fields(node) | {
            "extent_h": h.extent,
            "extent_w": w.extent,
            "depth_multiplier": channels // node.x.shape[3],
            "rows": s.rows,
            "column": s.column,
            "together": s.channels,
            "input_zero_point": node.x.zp,
            "weights": Array(np.pad(taps, ((0, 0), (0, -s.window % LANES))), "weights"),
            "scaling": Array(np.stack([bias, *weights.channel_multipliers(node)], axis=1).astype(np.int32), "scaling"),
            "blocks": blocks(s.window),
            "output_zero_point": node.y.zp,
            "low": low,
            "high": high,
            "known": known_scaling(node),
        }
        return Call(fields, (In(0), Out(0), Scratch()))
