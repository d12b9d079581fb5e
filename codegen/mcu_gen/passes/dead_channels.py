"""Dead-channel elimination: channels that hold one number, and channels that nobody needs, are not computed.

A trained network often has output channels whose weights are all zero: each holds one number, its requantized bias,
whatever the input is.  Such a channel goes through activations, depthwise convolutions and pools as a number
(:mod:`mcu_gen.passes.ranges`), up to an operator that sums over channels, and there it is part of the bias.  Likewise
a channel that meets only zero weights in all its readers is not needed, whatever it holds.

The result is the same bit by bit: the sums are the same integers, modulo 2**32 where the operator's are.  A channel
that a padded window sees differs at the border, where the padding is the real number 0: it goes only where the sum of
its taps is the same in every case, as for a channel that holds the zero point.

Which channels stay is the least solution of constraints between tensors: outputs of the graph keep all theirs; an
operator that keeps channels apart keeps the same ones of its input and of its output; an operator that sums over
channels keeps those inputs that no bias can replace; any other operator keeps everything.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mcu_gen.graph import DType, Graph, Node, Op, QuantParams, Tensor
from mcu_gen.ops import weights
from mcu_gen.ops.fixed_point import wrap32
from mcu_gen.ops.fully_connected import weights_zero_point
from mcu_gen.passes.ranges import (
    BINARY,
    INTEGERS,
    RESHAPES,
    UNARY,
    Interval,
    averages_channels,
    channels_of,
    intervals,
    sum_of_taps,
)

_POOLS = ("average_pool2d", "max_pool2d", "resize_nearest_neighbor", "mean", "pad")


def dead_channels(graph: Graph) -> Graph:
    """Removes the channels of int8 and int16 activations that need not be computed.

    Float channels stay: a number that moves into a bias changes the order of a sum, and with it the rounding.
    """
    ranges = intervals(graph)
    kept = _solve(graph, ranges)
    if all(k.all() for k in kept.values()):
        return graph
    return _Surgeon(graph, ranges, kept).rebuilt()


def _solve(graph: Graph, ranges: dict[str, Interval]) -> dict[str, np.ndarray]:
    """{activation: which channels stay}, bool [channels]; every tensor keeps at least one."""
    fixed = {*graph.inputs, *graph.outputs}
    kept = {}
    for t in graph.tensors.values():
        if not t.is_constant:
            stays = t.dtype not in INTEGERS or t.variable or t.name in fixed or t.name not in ranges
            kept[t.name] = np.full(channels_of(t), stays)
    while True:
        while _propagate(graph, ranges, kept):
            pass
        empty = next((k for k in kept.values() if not k.any()), None)
        if empty is None:
            return kept
        empty[0] = True  # a tensor has at least one channel; what follows from that is propagated again


def _propagate(graph: Graph, ranges: dict[str, Interval], kept: dict[str, np.ndarray]) -> bool:
    """One round over all operators, last to first; whether anything more must stay."""
    before = sum(int(k.sum()) for k in kept.values())
    for op in reversed(graph.ops):
        node = graph.node(op)
        if not _constrain(node, ranges, kept):
            for t in (*node.inputs, *node.outputs):
                if t is not None and t.name in kept:
                    kept[t.name][:] = True
    return sum(int(k.sum()) for k in kept.values()) > before


def _constrain(node: Node, ranges: dict[str, Interval], kept: dict[str, np.ndarray]) -> bool:
    """Marks what must stay because of one operator; False for one that needs all its channels."""
    if len(node.outputs) != 1 or not node.inputs or node.inputs[0] is None:
        return False
    activations = [t.name for t in node.inputs if t is not None and t.name in kept]
    y = kept[node.y.name]
    if node.type in BINARY:
        return _tie_operands(node, activations, kept)
    if node.type == "concatenation":
        return _tie_parts(node, kept)
    if activations != [node.x.name] or node.x.name not in ranges:
        return False
    x = kept[node.x.name]
    if node.type == "conv2d" and node.input(1).shape[3] == x.size:
        x |= ~_replaceable_in_conv(node, ranges[node.x.name], y, x)
    elif node.type == "fully_connected" and node.input(1).shape[1] % x.size == 0:
        x |= ~_replaceable_in_rows(node, ranges[node.x.name], y)
    elif node.type == "depthwise_conv2d" or node.type in RESHAPES:
        return _tie_groups(x, y, repeat=node.type == "depthwise_conv2d")
    elif node.type in UNARY or (node.type in _POOLS and not (node.type == "mean" and averages_channels(node))):
        return _tie_groups(x, y, repeat=False) if x.size == y.size else False
    else:
        return False
    return True


def _tie_groups(x: np.ndarray, y: np.ndarray, *, repeat: bool) -> bool:
    """The same channels of both; the longer holds the shorter several times.

    ``repeat``: channel c of the shorter is c * n, c * n + 1... of the longer (filters of a depthwise convolution);
    otherwise c, c + channels... (an image made flat).
    """
    short, long = (x, y) if x.size <= y.size else (y, x)
    if long.size % short.size:
        return False
    n = long.size // short.size
    short |= (long.reshape(-1, n).any(axis=1) if repeat else long.reshape(n, -1).any(axis=0)) if n > 1 else long
    long[:] = np.repeat(short, n) if repeat else np.tile(short, n)
    return True


def _tie_operands(node: Node, activations: list[str], kept: dict[str, np.ndarray]) -> bool:
    """Element by element: the same channels of both operands and of the result; an operand of one channel stays."""
    n = channels_of(node.y)
    tied = [kept[node.y.name], *(kept[name] for name in activations if kept[name].size == n)]
    stays = np.any(tied, axis=0)
    for name in activations:
        if kept[name].size != n:
            kept[name][:] = True
    for k in tied:
        k |= stays
    return True


def _tie_parts(node: Node, kept: dict[str, np.ndarray]) -> bool:
    """CONCATENATION: channels of the result are those of its parts, side by side or in common."""
    y, rank = kept[node.y.name], len(node.y.shape)
    side_by_side = node.int_attr("axis") % rank == rank - 1
    first = 0
    for t in node.inputs:
        if t is None:
            return False
        n = channels_of(t)
        part = y[first : first + n] if side_by_side else y
        first += n
        if t.name in kept:
            part |= kept[t.name]
            kept[t.name] |= part
    return True


def _replaceable_in_conv(node: Node, x: Interval, rows: np.ndarray, needed: np.ndarray) -> np.ndarray:
    """Input channels of a convolution that its bias can replace, for the output channels ``rows``; bool [channels]."""
    w = node.input(1).data
    assert w is not None
    w = w[rows]
    replaceable: np.ndarray = ~w.any(axis=(0, 1, 2)) | (x.known & (x.low == node.x.zp))
    for c in np.flatnonzero(x.known & ~replaceable & ~needed):
        effect = sum_of_taps(node, np.moveaxis(w[..., c].astype(np.int64), 0, -1))
        replaceable[c] = bool((effect == effect[0, 0]).all())
    return replaceable


def _replaceable_in_rows(node: Node, x: Interval, rows: np.ndarray) -> np.ndarray:
    """The same for FULLY_CONNECTED, whose columns hold the channels several times where it takes an image."""
    w = node.input(1).data
    assert w is not None
    used = (w[rows] != weights_zero_point(node)).any(axis=0)
    replaceable: np.ndarray = x.known | ~used.reshape(-1, x.low.size).any(axis=0)
    return replaceable


@dataclass
class _Surgeon:
    """Builds the graph without the channels that go."""

    graph: Graph
    ranges: dict[str, Interval]
    kept: dict[str, np.ndarray]
    out: Graph = field(init=False)

    def rebuilt(self) -> Graph:
        self.out = self.graph.copy()
        for name, keep in self.kept.items():
            if not keep.all():
                t = self.graph.tensors[name]
                self.out.tensors[name] = t.replace(shape=(*t.shape[:-1], int(keep.sum())))
                of_model = self.graph.channels.get(name, range(keep.size))
                self.out.channels[name] = tuple(c for c, stays in zip(of_model, keep, strict=True) if stays)
        self.out.ops = [self._operator(self.graph.node(op)) for op in self.graph.ops]
        return self.out

    def _operator(self, node: Node) -> Op:
        changed = any(not self.kept[t.name].all() for t in (*node.inputs, *node.outputs) if t and t.name in self.kept)
        if not changed:
            return node.op
        if node.type in ("conv2d", "fully_connected"):
            return self._summing(node)
        if node.type == "depthwise_conv2d":
            return self._depthwise(node)
        if node.type in RESHAPES:
            shape = self.out.tensors[node.y.name].shape
            return node.op.replace(type="reshape", inputs=(node.x.name,), attrs={"new_shape": shape})
        if node.type in BINARY or node.type == "concatenation":
            return node.op.replace(inputs=tuple(n for i in range(len(node.inputs)) for n in self._operand(node, i)))
        return node.op

    def _summing(self, node: Node) -> Op:
        """Without rows that go and without columns that the bias replaces."""
        x, rows, columns = self.ranges[node.x.name], self.kept[node.y.name], self.kept[node.x.name]
        w = node.input(1).data
        assert w is not None
        known = np.where(columns, 0, x.low - node.x.zp)
        if node.type == "conv2d":
            taps = (w.astype(np.int64) * known).sum(axis=3)
            effect = sum_of_taps(node, np.moveaxis(taps, 0, -1))[0, 0]
            values = w[rows][..., columns]
        else:
            times = w.shape[1] // columns.size
            centred = w.astype(np.int64) - weights_zero_point(node)
            effect = (centred * np.tile(known, times)).sum(axis=1)
            values = w[rows][:, np.tile(columns, times)]
        return node.op.replace(
            inputs=(
                node.x.name,
                self._sliced(node.input(1), values, rows),
                self._bias(node, effect, rows),
                *node.op.inputs[3:],
            )
        )

    def _depthwise(self, node: Node) -> Op:
        rows = self.kept[node.y.name]
        w = node.input(1).data
        assert w is not None
        bias = self._bias(node, np.zeros(rows.size, np.int64), rows)
        return node.op.replace(
            inputs=(node.x.name, self._sliced(node.input(1), w[..., rows], rows), bias, *node.op.inputs[3:])
        )

    def _bias(self, node: Node, effect: np.ndarray, rows: np.ndarray) -> str | None:
        """The bias plus ``effect`` (int64 [output channels]) of the rows that stay."""
        if node.has_input(2):
            data = node.input(2).data
            assert data is not None
            total = data.astype(np.int64).reshape(-1) + effect
            total = total if weights.sums_are_wide(node) else wrap32(total)
            return self._sliced(node.input(2), total[rows].astype(data.dtype), rows)
        if not effect[rows].any():
            return None
        wide = weights.sums_are_wide(node)
        dtype = DType.INT64 if wide else DType.INT32
        total = (effect if wide else wrap32(effect))[rows].astype(dtype.numpy)
        scales = np.array(weights.weight_scales(node.input(1), rows.size)) * node.x.s
        quant = QuantParams(scales[rows].astype(np.float32), np.zeros(int(rows.sum()), np.int64), 0)
        return self._constant(f"{node.name}_bias", total, dtype, quant)

    def _operand(self, node: Node, index: int) -> list[str]:
        """Operand ``index``; a constant loses the channels that the result loses, and goes when it loses all."""
        t = node.input(index)
        if not t.is_constant:
            return [t.name]
        keep = self.kept[node.y.name]
        if node.type == "concatenation" and node.int_attr("axis") % len(node.y.shape) == len(node.y.shape) - 1:
            first = sum(channels_of(node.input(i)) for i in range(index))
            keep = keep[first : first + channels_of(t)]
        if channels_of(t) != keep.size or not t.shape:
            return [t.name]
        assert t.data is not None
        return [self._sliced(t, t.data[..., keep], keep)] if keep.any() else []

    def _sliced(self, t: Tensor, data: np.ndarray, keep: np.ndarray) -> str:
        """A constant like ``t`` with other values, and the scales of the channels in ``keep`` where each has one."""
        quant = t.quant
        if quant is not None and quant.scale.size == keep.size > 1:
            zero_points = quant.zero_point[keep] if quant.zero_point.size == keep.size else quant.zero_point
            quant = QuantParams(quant.scale[keep], zero_points, quant.axis)
        return self._constant(t.name, data, t.dtype, quant)

    def _constant(self, base: str, data: np.ndarray, dtype: DType, quant: QuantParams | None) -> str:
        values = np.ascontiguousarray(data)
        values.flags.writeable = False
        name = self.out.unique_name(base)
        self.out.add_tensor(Tensor(name, values.shape, dtype, quant, values))
        return name
