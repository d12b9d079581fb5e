"""What several kernels share: folded biases, fields of parameter structs, and how far buffers may overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import Node, Tensor
from mcu_gen.kernels.contract import ELEMENTS, Array, CFloat, In, Kernel, Tiling, Value
from mcu_gen.ops import spatial, weights
from mcu_gen.ops.fixed_point import reduced_multiplier

#: Outputs with more elements overlap nothing: no microcontroller holds them, and their leads would take long here.
MAX_ELEMENTS = 1 << 24


def constant(tensor: Tensor) -> np.ndarray:
    """The data of a constant tensor."""
    assert tensor.data is not None, f"{tensor.name} is not a constant"
    return tensor.data


def folded_bias(filters: np.ndarray, bias: np.ndarray | None, input_zero_point: int) -> np.ndarray:
    """Bias with the input's zero point folded in: b - zp * sum(w) per row of ``filters`` [N, K]; int32 [N].

    The kernel then sums plain x * w.  Additions are modulo 2**32, so the order in which terms are added is free.
    """
    total = -input_zero_point * filters.astype(np.int64).sum(axis=1)
    if bias is not None:
        total = total + bias.astype(np.int64)
    folded: np.ndarray = total.astype(np.int32)
    return folded


#: Kernels whose parameters hold :func:`window_fields` run on any rectangle of a map.
WINDOW = Tiling("window")


#: Kernels whose parameters hold :func:`place_fields` run on any rectangle of a map.
PLACE = Tiling("place")


def place_fields(node: Node) -> dict[str, Value]:
    """Fields of a parameter struct that say which part of a map is computed, here all of it, and where its input is."""
    height, width = node.y.shape[1:3]
    whole: dict[str, Value] = {"out_h": height, "out_w": width, "in_top": 0, "in_left": 0, "in_pitch": node.x.shape[2]}
    return whole | {"out_top": 0, "out_left": 0, "out_pitch": width}


def window_fields(node: Node) -> dict[str, Value]:
    """Fields of a parameter struct that describe a sliding window."""
    h, w = spatial.geometry(node)
    n, _, _, channels = node.x.shape
    return {
        "batches": n,
        "in_h": h.size,
        "in_w": w.size,
        "in_c": channels,
        "out_h": h.out,
        "out_w": w.out,
        "in_pitch": w.size,
        "out_pitch": w.out,
        "filter_h": h.taps,
        "filter_w": w.taps,
        "stride_h": h.stride,
        "stride_w": w.stride,
        "pad_top": h.before,
        "pad_left": w.before,
    }


def dilation_fields(node: Node) -> dict[str, Value]:
    """Fields for the distance between the taps of a window."""
    h, w = spatial.geometry(node)
    return {"dilation_h": h.dilation, "dilation_w": w.dilation}


def scaling_fields(node: Node) -> dict[str, Value]:
    """Fields that take a sum to an integer output: multipliers, shifts, zero point, activation."""
    multiplier, shift = weights.channel_multipliers(node)
    if weights.sums_are_wide(node):
        multiplier = reduced_multiplier(multiplier).astype(np.int32)
    low, high = weights.output_range(node)
    return {
        "multiplier": Array(multiplier, "multiplier"),
        "shift": Array(shift.astype(np.int8), "shift"),
        "output_zero_point": node.y.zp,
        "low": low,
        "high": high,
    }


def bounds_fields(node: Node) -> dict[str, Value]:
    """Fields of a fused activation in float32."""
    low, high = weights.output_bounds(node)
    return {"low": CFloat(low), "high": CFloat(high)}


def bias_field(node: Node) -> Array | In | None:
    """The bias as it is in the model, or where it is a variable."""
    if node.has_input(2) and node.input(2).variable:
        return In(2)
    bias = weights.bias_of(node)
    return None if bias is None else Array(bias, "bias")


def weights_field(node: Node) -> Array | In:
    """The weights as they are in the model, or where they are a variable."""
    return In(1) if node.input(1).variable else Array(constant(node.input(1)), "weights")


def other_weights(kernel: Kernel, node: Node) -> str | None:
    """Why input 1, the weights or another operand, is not of the type that a floating-point kernel takes, or None."""
    w = node.input(1)
    return None if w.dtype is ELEMENTS[kernel.elements["w"]] else f"{w.name} is {w.dtype.value}"


def raster_lead(first_read: np.ndarray, write_bytes: int) -> int:
    """Smallest distance by which an output must start below an input when a kernel writes it in order.

    Write ``k`` covers the output bytes [k * write_bytes, (k + 1) * write_bytes).  Before it the kernel reads input
    bytes of which ``first_read[k]`` is the lowest.  No write may reach a byte that a later write still needs, so the
    lead is the largest excess of a write's end over the lowest byte that is read afterwards.

    Args:
        first_read: int64 [writes], byte offsets into the input.
        write_bytes: bytes of one write.
    """
    if first_read.size < 2:
        return 0
    needed = np.minimum.accumulate(first_read[:0:-1])[::-1]  # lowest byte read after write k
    ends = np.arange(1, first_read.size, dtype=np.int64) * write_bytes
    return max(0, int((ends - needed).max()))


def window_starts(node: Node) -> np.ndarray:
    """First input pixel that the window of every output pixel sees, in output order; int64 [N * OH * OW]."""
    h, w = spatial.geometry(node)
    rows = np.minimum(h.first_inside(), h.size)
    columns = np.minimum(w.first_inside(), w.size)
    image = (rows[:, None] * w.size + columns[None, :]).reshape(-1)
    batches = np.arange(node.x.shape[0], dtype=np.int64) * (h.size * w.size)
    starts: np.ndarray = (batches[:, None] + image[None, :]).reshape(-1)
    return starts


def window_overlap(node: Node, input_channel: np.ndarray) -> dict[tuple[int, int], int]:
    """Overlap of a kernel with sliding windows that computes one output element after the other.

    Args:
        input_channel: the lowest input channel that each output channel reads; int64 [OC].
    """
    if node.y.elements > MAX_ELEMENTS:
        return {}
    element = node.x.dtype.size
    pixels = window_starts(node) * node.x.shape[3]
    reads = (pixels[:, None] + input_channel[None, :]).reshape(-1) * element
    return {(0, 0): raster_lead(reads, node.y.dtype.size)}


def loop_work(elements: int, rows: int = 1) -> dict[str, float]:
    """Work of a loop over ``elements`` in each of ``rows`` rows; compilers make vectors of the simple ones."""
    return {"call": 1, "row": rows, "element": rows * elements, "vector": rows * -(-elements // 16)}


def copied_work(pieces: Sequence[int], times: int = 1) -> dict[str, float]:
    """Work of ``memmove`` of pieces of so many bytes, each ``times``: libraries copy long ones by lines and words."""
    long = [n for n in pieces if n >= 16]
    return {
        "short byte": times * sum(n for n in pieces if n < 16),
        "line": times * sum(n // 16 for n in long),
        "word": times * sum(n % 16 // 4 for n in long),
        "rest": times * sum(n % 4 for n in long),
        "unaligned byte": times * sum(n for n in long if n % 4),
    }


def taps_inside(node: Node) -> tuple[int, int]:
    """Taps that lie inside the image, of the windows of all pixels of all images, and rows of such taps."""
    inside = []
    for axis in spatial.geometry(node):
        position = axis.origins()[:, None] + np.arange(axis.taps) * axis.dilation
        inside.append(((position >= 0) & (position < axis.size)).sum(axis=1))
    rows, columns = (int(a.sum()) for a in inside)
    images = node.x.shape[0]
    return images * rows * columns, images * rows * len(inside[1])


def padded_columns(rows: np.ndarray, multiple: int) -> np.ndarray:
    """Rows [N, K] filled up with zeros to a multiple of ``multiple`` columns."""
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % multiple)))
