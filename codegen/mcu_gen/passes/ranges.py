"""What values every channel of every integer tensor can take, whatever the inputs of the graph are.

A forward interval analysis.  A *channel* is an index of the last axis.  The bounds come from the operators' own
arithmetic: an operator that is monotone in its inputs is evaluated at their lower and at their upper bounds, and a
convolution's sums are bounded by taking every weight at the end of the interval that its sign picks.  A channel whose
bounds meet holds one number at every position and for every input: all its weights are zero, or its input is constant,
or its activation cuts everything off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mcu_gen.graph import DType, Graph, Node, Tensor, operator
from mcu_gen.ops import conv2d, fully_connected, spatial, weights
from mcu_gen.ops.fixed_point import INT32_MAX
from mcu_gen.ops.fully_connected import weights_zero_point

#: Element types with intervals; everything else is unbounded.
INTEGERS = (DType.INT8, DType.INT16)

#: y = f(x), element by element, on the integer codes.
UNARY = ("relu", "relu6", "relu_n1_to_1", "leaky_relu", "logistic", "tanh", "hard_swish", "quantize")

#: No output falls when an input rises, and channels stay apart.
_MONOTONE = ("average_pool2d", "max_pool2d", "resize_nearest_neighbor", "pad", "mean")

#: y = f(x0, x1), element by element.
BINARY = ("add", "sub", "mul")

#: The same elements in the same order under another shape.
RESHAPES = ("reshape", "squeeze", "expand_dims")

#: Sums without bias -> outputs.
Finish = Callable[[np.ndarray, Node], np.ndarray]


@dataclass(frozen=True)
class Interval:
    """Bounds of every channel, both included; int64 [channels]."""

    low: np.ndarray
    high: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Which channels hold one number; bool [channels]."""
        same: np.ndarray = self.low == self.high
        return same

    def map(self, indices: np.ndarray) -> Interval:
        return Interval(self.low[indices], self.high[indices])


def channels_of(tensor: Tensor) -> int:
    """Length of the last axis (1 for a scalar)."""
    return tensor.shape[-1] if tensor.shape else 1


def unbounded(tensor: Tensor, bounds: tuple[int, int] | None = None) -> Interval:
    """All codes of an integer type, or those within ``bounds``."""
    low, high = bounds if bounds is not None else tensor.dtype.limits
    n = channels_of(tensor)
    return Interval(np.full(n, low, np.int64), np.full(n, high, np.int64))


def intervals(graph: Graph) -> dict[str, Interval]:
    """Intervals of all int8 and int16 tensors without empty dimensions; variables and inputs take every code."""
    found: dict[str, Interval] = {}
    for tensor in graph.tensors.values():
        if tensor.dtype not in INTEGERS or tensor.elements == 0:
            continue
        if tensor.data is not None:
            rows = tensor.data.astype(np.int64).reshape(-1, channels_of(tensor))
            found[tensor.name] = Interval(rows.min(axis=0), rows.max(axis=0))
        else:
            found[tensor.name] = unbounded(tensor)
    for node in graph.nodes():
        if len(node.outputs) == 1 and node.y.name in found and not node.y.variable:
            result = _interval(node, found)
            if result is not None:
                found[node.y.name] = result
    return found


def window_patterns(node: Node) -> tuple[np.ndarray, np.ndarray]:
    """Which taps of a window lie inside the image, for every different case.

    Returns:
        bool [cases along the height, taps] and bool [cases along the width, taps].
    """
    cases = []
    for axis in spatial.geometry(node):
        at = axis.origins()[:, None] + axis.dilation * np.arange(axis.taps)
        cases.append(np.unique((at >= 0) & (at < axis.size), axis=0))
    return cases[0], cases[1]


def sum_of_taps(node: Node, per_tap: np.ndarray) -> np.ndarray:
    """Sums [rows' cases, columns' cases, ...] over the taps inside the image of ``per_tap`` [KH, KW, ...]; int64."""
    rows, columns = window_patterns(node)
    by_row = np.tensordot(rows.astype(np.int64), per_tap, axes=(1, 0))
    sums: np.ndarray = np.moveaxis(np.tensordot(by_row, columns.astype(np.int64), axes=(1, 1)), -1, 1)
    return sums


def _interval(node: Node, found: dict[str, Interval]) -> Interval | None:
    """Bounds of the output of one operator; None where nothing is known."""
    sources = [None if t is None else found.get(t.name) for t in node.inputs]
    x = sources[0] if sources else None
    if x is None:
        return None
    if node.type in ("conv2d", "depthwise_conv2d"):
        return _convolution(node, x)
    if node.type == "fully_connected":
        return _fully_connected(node, x)
    if node.type in UNARY:
        return _unary(node, x)
    if node.type in BINARY:
        return _binary(node, sources)
    if node.type in _MONOTONE:
        return _monotone(node, x)
    if node.type in RESHAPES:
        return _reshaped(x, channels_of(node.y))
    if node.type == "concatenation" and all(s is not None for s in sources):
        return _concatenated(node, [s for s in sources if s is not None])
    return None


def _bounded_sums(values: np.ndarray, x: Interval, at: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest products of weights and inputs (``x`` without its zero point), element by element."""
    low, high = (x.low, x.high) if at is None else (x.low[at], x.high[at])
    return np.where(values > 0, values * low, values * high), np.where(values > 0, values * high, values * low)


def _convolution(node: Node, x: Interval) -> Interval:
    centred = Interval(x.low - node.x.zp, x.high - node.x.zp)
    w = node.input(1).data
    assert w is not None
    w = w.astype(np.int64)
    if node.type == "depthwise_conv2d":
        per_input = w.shape[3] // node.x.shape[3]
        ends = _bounded_sums(w[0], centred, np.arange(w.shape[3]) // per_input)
    else:
        groups = node.x.shape[3] // w.shape[3]
        first = np.arange(w.shape[0]) // (w.shape[0] // groups) * w.shape[3]
        seen = (first[:, None] + np.arange(w.shape[3]))[:, None, None, :]
        low, high = _bounded_sums(w, centred, seen)
        ends = np.moveaxis(low.sum(axis=3), 0, -1), np.moveaxis(high.sum(axis=3), 0, -1)
    sums = [sum_of_taps(node, end) for end in ends]
    shifts = weights.channel_multipliers(node)[1].astype(np.int64)
    return _finished(node, sums, conv2d.finish, np.maximum(shifts, 0))


def _fully_connected(node: Node, x: Interval) -> Interval:
    data = node.input(1).data
    assert data is not None
    columns = data.shape[1]
    low, high = (_columns(end, columns) for end in (x.low - node.x.zp, x.high - node.x.zp))
    if columns % x.low.size:  # rows of the weights start at different channels
        low, high = np.full(columns, low.min()), np.full(columns, high.max())
    ends = _bounded_sums(data.astype(np.int64) - weights_zero_point(node), Interval(low, high))
    return _finished(node, [end.sum(axis=1) for end in ends], fully_connected.finish, np.zeros(data.shape[0], np.int64))


def _columns(values: np.ndarray, n: int) -> np.ndarray:
    return np.tile(values, -(-n // values.size))[: max(n, values.size)]


def _finished(node: Node, sums: list[np.ndarray], finish: Finish, left: np.ndarray) -> Interval:
    """Bounds of the outputs from bounds [..., channels] of the sums without bias.

    Scaling is monotone as long as nothing wraps around; where a sum may pass 31 bits, before or after its shift to
    the left, only a sum that is one number says anything.
    """
    n = sums[0].shape[-1]
    bias = weights.bias_of(node)
    total = [s + (0 if bias is None else bias.astype(np.int64)) for s in sums]
    low, high = (finish(s, node).astype(np.int64).reshape(-1, n) for s in sums)
    limit = np.int64(INT32_MAX - 256) >> left
    fits = np.all([(np.abs(t) <= limit).reshape(-1, n).all(axis=0) for t in total], axis=0)
    exact = (sums[0] == sums[1]).reshape(-1, n).all(axis=0)
    usable = exact if node.x.dtype is not DType.INT8 else fits | exact
    whole = unbounded(node.y, weights.output_range(node))
    return Interval(
        np.where(usable, np.minimum(low, high).min(axis=0), whole.low),
        np.where(usable, np.maximum(low, high).max(axis=0), whole.high),
    )


def _unary(node: Node, x: Interval) -> Interval | None:
    if node.x.dtype is not DType.INT8:
        return None
    impl = operator(node.type)
    codes = np.arange(-128, 128, dtype=np.int8)
    table = impl.evaluate(node, [codes])[0].astype(np.int64)
    pairs, of = np.unique(np.stack([x.low, x.high]) + 128, axis=1, return_inverse=True)
    ends = [table[low : high + 1] for low, high in pairs.T]
    low, high = np.array([e.min() for e in ends]), np.array([e.max() for e in ends])
    return Interval(low, high).map(of.reshape(-1))


def _binary(node: Node, sources: list[Interval | None]) -> Interval | None:
    """Only numbers are followed: outputs whose operands are all known."""
    if any(s is None for s in sources):
        return None
    n = channels_of(node.y)
    both = [s.map(np.zeros(n, np.int64)) if s.low.size == 1 else s for s in sources if s is not None]
    y = operator(node.type).evaluate(node, [s.low.astype(node.x.dtype.numpy) for s in both])[0].astype(np.int64)
    known = both[0].known & both[1].known
    whole = unbounded(node.y)
    return Interval(np.where(known, y, whole.low), np.where(known, y, whole.high))


def _monotone(node: Node, x: Interval) -> Interval | None:
    """Bounds by evaluating an operator that leaves channels apart on constant images at both ends."""
    if channels_of(node.y) != x.low.size or (node.type == "mean" and averages_channels(node)):
        return None
    parameters = [None if t is None else t.data for t in node.inputs[1:]]
    results = []
    for end in (x.low, x.high):
        image = np.broadcast_to(end.astype(node.x.dtype.numpy), node.x.shape)
        y = operator(node.type).evaluate(node, [image, *parameters])[0].astype(np.int64)
        results.append(y.reshape(-1, x.low.size))
    low, high = results[0].min(axis=0), results[1].max(axis=0)
    if node.x.dtype is DType.INT8:
        return Interval(low, high)
    whole = unbounded(node.y)  # sums of 16-bit codes may wrap around: only numbers say anything
    return Interval(np.where(x.known, low, whole.low), np.where(x.known, high, whole.high))


def averages_channels(node: Node) -> bool:
    """Whether a MEAN averages over the last axis."""
    axes = node.input(1).data
    assert axes is not None
    rank = len(node.x.shape)
    return any(int(a) % rank == rank - 1 for a in axes.reshape(-1))


def _reshaped(x: Interval, channels: int) -> Interval | None:
    """The last axis after a change of shape: repeated, or the bounds of what now shares a channel."""
    n = x.low.size
    if channels % n == 0:
        return x.map(np.arange(channels) % n)
    if n % channels == 0:
        return Interval(x.low.reshape(-1, channels).min(axis=0), x.high.reshape(-1, channels).max(axis=0))
    return None


def _concatenated(node: Node, parts: list[Interval]) -> Interval:
    axis, rank = node.int_attr("axis"), len(node.y.shape)
    if axis % rank == rank - 1:
        return Interval(np.concatenate([p.low for p in parts]), np.concatenate([p.high for p in parts]))
    return Interval(np.min([p.low for p in parts], axis=0), np.max([p.high for p in parts], axis=0))
