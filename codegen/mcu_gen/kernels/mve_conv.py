"""int8 CONV_2D on cores with MVE: blocks of four channels by two pixels, sixteen numbers per instruction."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import MAX_ELEMENTS, WINDOW, constant, window_fields
from mcu_gen.kernels.contract import Call, In, Kernel, Out, Scratch, Tiling, kernel
from mcu_gen.kernels.mve_rows import LANES, NARROW, QUAD, blocks, ordered_lead, rows_fields, rows_work
from mcu_gen.ops import spatial
from mcu_gen.targets import Target

#: Bytes of scratch beyond which a row of outputs is computed in parts.
STRIP_BYTES = 4096


class _Rows(Kernel):
    ops = ("conv2d",)
    features = ("mve",)
    definitions = ("vector128",)

    def rejects(self, node: Node, target: Target) -> str | None:
        del target
        if node.x.dtype is not DType.INT8:
            return f"input is {node.x.dtype.value}"
        if node.input(1).shape[3] != node.x.shape[3]:
            return "convolution in groups"
        return None

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return WINDOW


@kernel
class Conv2DPointwiseS8Mve(_Rows):
    """1x1 with any stride: pixels are multiplied where they lie."""

    name = "conv2d_pointwise_s8_mve"

    def rejects(self, node: Node, target: Target) -> str | None:
        if any((a.taps, a.before) != (1, 0) or (a.out - 1) * a.stride >= a.size for a in spatial.geometry(node)):
            return "not 1x1 without padding"
        return super().rejects(node, target)

    def scratch(self, node: Node, target: Target) -> int:
        """A copy of the last pixel, where its last block would reach beyond it."""
        depth = node.x.shape[3]
        return blocks(depth) * LANES if depth % LANES else 0

    def _pairs(self, node: Node) -> tuple[np.ndarray, np.ndarray, int]:
        """Pixels of the output at which pairs begin and end, and the pixels of a row of pairs."""
        n, oh, ow, _ = self._rows_of_pixels(node)
        row = np.arange(0, ow, 2, dtype=np.int64)
        starts = (np.arange(n * oh, dtype=np.int64)[:, None] * ow + row[None, :]).reshape(-1)
        return starts, np.minimum(starts + 2, starts // ow * ow + ow), ow

    @staticmethod
    def _rows_of_pixels(node: Node) -> tuple[int, int, int, int]:
        """Shape of the output as it is called: one long row where no pixel of the input is left out."""
        n, oh, ow, channels = node.y.shape
        whole = node.x.shape[:3] == node.y.shape[:3]
        return (1, 1, n * oh * ow, channels) if whole else (n, oh, ow, channels)

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        """Both pixels of a pair are read again for every four channels, which are written at once."""
        if node.y.elements > MAX_ELEMENTS:
            return {}
        h, w = spatial.geometry(node)
        depth, channels = node.x.shape[3], node.y.shape[3]
        first, end, ow = self._pairs(node)
        source = ((first // ow) // h.out * h.size + (first // ow) % h.out * h.stride) * w.size + first % ow * w.stride
        if ow != w.out:
            source = first
        before = (end - 1) * channels + (channels - 1) // QUAD * QUAD  # written before the last quad is read for
        ends = np.stack([before, end * channels], axis=1).reshape(-1)
        return {(0, 0): ordered_lead(ends, np.repeat(source * depth, 2))}

    def work(self, node: Node, target: Target) -> dict[str, float]:
        n, oh, ow, _ = self._rows_of_pixels(node)
        h, w = spatial.geometry(node)
        whole = ow != node.y.shape[2]
        depth = node.x.shape[3]
        stride_h, stride_w, pitch = (1, 1, ow) if whole else (h.stride, w.stride, w.size)
        length, step = blocks(depth) * LANES, stride_w * depth
        size = ((oh - 1) * stride_h * pitch + (ow - 1) * stride_w + 1) * depth
        pairs = alone = copied = 0
        for row in range(oh):
            room = size - row * stride_h * pitch * depth - length  # for the last block of a pixel
            two = min(ow // 2, max(0, (room // step + 1) // 2))
            pairs, alone = pairs + two, alone + ow - 2 * two
            copied += sum(at * step > room for at in range(2 * two, ow))
        spread = {"row": n * oh, "alone": n * alone, "copied block": n * copied * (depth // LANES)}
        spread["copied narrow" if depth <= NARROW else "copied"] = n * copied
        return rows_work(node, depth, n * (pairs + alone)) | spread

    def call(self, node: Node, target: Target) -> Call:
        rows = constant(node.input(1)).reshape(node.y.shape[3], -1)
        _, _, ow, _ = self._rows_of_pixels(node)
        fields = window_fields(node)
        if ow != node.y.shape[2]:
            fields |= {"batches": 1, "in_h": 1, "out_h": 1}
            fields |= dict.fromkeys(("in_w", "in_pitch", "out_w", "out_pitch"), ow)
        return Call(fields | rows_fields(node, rows), (In(0), Out(0), Scratch()))


@kernel
class Conv2DS8Mve(_Rows):
    """Any window that is dense along the row: its columns are laid out one behind the other in scratch."""

    name = "conv2d_s8_mve"

    def rejects(self, node: Node, target: Target) -> str | None:
        _, w = spatial.geometry(node)
        if w.dilation != 1 and w.taps > 1:
            return "windows have holes along the row"
        if self._bytes(node, 1) > STRIP_BYTES:
            return f"a window has {self._bytes(node, 1)} bytes, more than {STRIP_BYTES}"
        return super().rejects(node, target)

    @staticmethod
    def _bytes(node: Node, pixels: int) -> int:
        """Bytes of the strip of ``pixels`` outputs."""
        h, w = spatial.geometry(node)
        column = h.taps * node.x.shape[3]
        return (pixels - 1) * w.stride * column + blocks(w.taps * column) * LANES

    def strip_pixels(self, node: Node) -> int:
        """Outputs of a row whose windows are laid out together: all, or an even number that fits."""
        pixels = node.y.shape[2]
        while pixels > 1 and self._bytes(node, pixels) > STRIP_BYTES:
            pixels = max(1, (pixels - 1) // 2 * 2)
        return pixels

    def scratch(self, node: Node, target: Target) -> int:
        return self._bytes(node, self.strip_pixels(node))

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        """All windows of a strip are read before its first output is written."""
        if node.y.elements > MAX_ELEMENTS:
            return {}
        h, w = spatial.geometry(node)
        strip = self.strip_pixels(node)
        first = np.arange(0, w.out, strip, dtype=np.int64)
        end = np.minimum(first + strip, w.out)
        rows = np.arange(node.x.shape[0] * h.out, dtype=np.int64)
        top = np.minimum(h.first_inside(), h.size)[rows % h.out] + rows // h.out * h.size
        left = np.minimum(np.maximum(first * w.stride - w.before, 0), w.size)
        starts = (top[:, None] * w.size + left[None, :]).reshape(-1) * node.x.shape[3]
        ends = (rows[:, None] * w.out + end[None, :]).reshape(-1) * node.y.shape[3]
        return {(0, 0): ordered_lead(ends, starts)}

    def work(self, node: Node, target: Target) -> dict[str, float]:
        h, w = spatial.geometry(node)
        n, _, _, depth = node.x.shape
        most = self.strip_pixels(node)
        together = LANES // depth if depth <= NARROW and 15 * h.taps * depth <= 255 else 0
        position = h.origins()[:, None] + np.arange(h.taps) * h.dilation
        seen = n * int(((position >= 0) & (position < h.size)).sum())
        unseen = n * h.out * h.taps - seen
        strips = columns = filled = steps = pairs = 0
        for first in range(0, w.out, most):
            pixels = min(most, w.out - first)
            x0, all_columns = first * w.stride - w.before, (pixels - 1) * w.stride + w.taps
            inside = max(min(x0 + all_columns, w.size) - max(x0, 0), 0)
            strips, columns, filled = strips + 1, columns + all_columns, filled + all_columns - inside
            steps += -(-inside // together) if together else inside
            pairs += -(-pixels // 2)
        of_lines = {"line": seen * strips, "line outside": unseen * strips}
        of_lines |= {"filled": seen * filled + unseen * columns} | {"strip": n * h.out * strips}
        if together:
            of_lines["together"] = seen * steps
        else:
            of_lines |= {"column": seen * steps, "column block": seen * steps * (depth // LANES)}
            of_lines["column end"] = seen * steps * (depth % LANES > 0)
        return of_lines | rows_work(node, h.taps * w.taps * depth, n * h.out * pairs)

    def call(self, node: Node, target: Target) -> Call:
        h, _ = spatial.geometry(node)
        filters = constant(node.input(1))
        rows = filters.transpose(0, 2, 1, 3).reshape(filters.shape[0], -1)  # columns of the window first
        own = {"dilation_h": h.dilation, "strip_pixels": self.strip_pixels(node), "input_zero_point": node.x.zp}
        return Call(window_fields(node) | own | rows_fields(node, rows), (In(0), Out(0), Scratch()))
