"""Windows that slide over height and width: padding, output size and the taps that fall inside the input.

Used by convolutions and pools.  Attributes: ``stride_h, stride_w``, ``dilation_h, dilation_w`` (1 where absent),
``padding`` (``same``, ``valid`` or ``explicit`` with ``pad`` = (top, bottom, left, right)).  The size of the window is
that of the weights [., H, W, .], or ``filter_h, filter_w``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mcu_gen.graph import Node, Verdict
from mcu_gen.graph.region import Span, window_span


@dataclass(frozen=True)
class Axis:
    """A window along one spatial axis; output ``o`` sees inputs ``o * stride - before + dilation * tap``."""

    size: int
    out: int
    taps: int
    stride: int
    dilation: int
    before: int
    after: int

    @property
    def extent(self) -> int:
        """Inputs between the first and the last tap, both included."""
        return (self.taps - 1) * self.dilation + 1

    def origins(self) -> np.ndarray:
        """Position of tap 0 for every output (negative in the padding); int64 [out]."""
        return np.arange(self.out, dtype=np.int64) * self.stride - self.before

    def first_inside(self) -> np.ndarray:
        """Position of the first tap that is not in the padding for every output; int64 [out].

        A window that lies in the padding as a whole gives a position at or beyond ``size``.
        """
        origin = self.origins()
        first: np.ndarray = origin + np.maximum(0, -(origin // self.dilation)) * self.dilation
        return first


def _axis(node: Node, name: str, size: int, taps: int, pad: tuple[int, int]) -> Axis:
    stride = node.int_attr(f"stride_{name}")
    dilation = int(node.op.attrs.get(f"dilation_{name}", 1))
    extent = (taps - 1) * dilation + 1
    padding = node.str_attr("padding")
    if padding == "same":
        out = -(-size // stride)
        total = max(0, (out - 1) * stride + extent - size)
        return Axis(size, out, taps, stride, dilation, total // 2, total - total // 2)
    before, after = pad if padding == "explicit" else (0, 0)
    out = (size + before + after - extent) // stride + 1
    return Axis(size, out, taps, stride, dilation, before, after)


def geometry(node: Node) -> tuple[Axis, Axis]:
    """The windows of ``node`` along height and width."""
    if "filter_h" in node.op.attrs:
        taps_h, taps_w = node.int_attr("filter_h"), node.int_attr("filter_w")
    else:
        taps_h, taps_w = node.input(1).shape[1:3]
    top, bottom, left, right = node.op.attrs.get("pad", (0, 0, 0, 0))
    _, height, width, _ = node.x.shape
    return _axis(node, "h", height, taps_h, (top, bottom)), _axis(node, "w", width, taps_w, (left, right))


def explicit_padding(node: Node) -> tuple[int, int, int, int]:
    """Rows and columns of padding: (top, bottom, left, right)."""
    h, w = geometry(node)
    return h.before, h.after, w.before, w.after


def seen_span(node: Node, axis: int, out: Span) -> Span:
    """Rows (axis 1) or columns (axis 2) of the input that the windows of the outputs ``out`` see."""
    a = geometry(node)[axis - 1]
    return window_span(out, taps=a.taps, stride=a.stride, dilation=a.dilation, before=a.before, size=a.size)


def spatial_attributes(options: Mapping[str, Any]) -> dict[str, Any]:
    """Stride, padding and activation from the options table of a convolution or pool."""
    return {
        "stride_h": int(options["stride_h"]),
        "stride_w": int(options["stride_w"]),
        "padding": options["padding"],
        "activation": options["fused_activation_function"],
    }


def dilation_attributes(options: Mapping[str, Any]) -> dict[str, Any]:
    """Dilation from the options table of a convolution."""
    return {"dilation_h": int(options["dilation_h_factor"]), "dilation_w": int(options["dilation_w_factor"])}


def output_size(node: Node) -> tuple[int, int]:
    """Height and width of the output.

    Raises:
        ValueError: the window does not fit into the padded input.
    """
    h, w = geometry(node)
    if h.out < 1 or w.out < 1:
        raise ValueError(f"a window of {h.extent}x{w.extent} does not fit into the input {list(node.x.shape)}")
    return h.out, w.out


def taps(x: np.ndarray, node: Node, fill: float) -> Iterator[tuple[int, int, np.ndarray]]:
    """``(row, column, what that tap sees)`` for every tap of the window.

    ``x`` is [N, H, W, C]; what a tap sees is [N, OH, OW, C], ``fill`` where it lies outside the input.
    """
    h, w = geometry(node)
    margin = ((0, 0), (h.before, h.after + h.extent), (w.before, w.after + w.extent), (0, 0))
    padded = np.pad(x, margin, constant_values=fill)
    for row in range(h.taps):
        top = row * h.dilation
        rows = padded[:, top : top + (h.out - 1) * h.stride + 1 : h.stride]
        for column in range(w.taps):
            left = column * w.dilation
            yield row, column, rows[:, :, left : left + (w.out - 1) * w.stride + 1 : w.stride]


def input_is_an_image(node: Node) -> Verdict:
    """the input has rank 4 [batch, height, width, channels] without empty dimensions"""
    shape = node.x.shape
    return len(shape) == 4 and min(shape) > 0, f"{node.x.name} has shape {list(shape)}"


def strides_are_positive(node: Node) -> Verdict:
    """strides and dilations are at least 1"""
    names = [n for n in ("stride_h", "stride_w", "dilation_h", "dilation_w") if n in node.op.attrs]
    values = [node.int_attr(n) for n in names]
    return min(values) >= 1, ", ".join(f"{n} is {v}" for n, v in zip(names, values, strict=True))


def padding_is_known(node: Node) -> Verdict:
    """padding is same, valid or explicit with four numbers that are not negative"""
    padding = node.str_attr("padding")
    pad = node.op.attrs.get("pad", (0, 0, 0, 0))
    explicit = padding == "explicit" and len(pad) == 4 and min(pad) >= 0
    return padding in ("same", "valid") or explicit, f"it is {padding} {list(pad)}"
