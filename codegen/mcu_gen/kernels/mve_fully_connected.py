"""int8 FULLY_CONNECTED on cores with MVE: four channels at a time, scaled in 32 bits to the bits of the reference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import MAX_ELEMENTS, constant, folded_bias
from mcu_gen.kernels.contract import Array, Call, In, Kernel, Out, Scratch, Tiling, kernel
from mcu_gen.kernels.fully_connected import by_pixel
from mcu_gen.kernels.mve_rows import LANES, NARROW, QUAD, blocks, ordered_lead, packed_rows, packed_scaling
from mcu_gen.ops import weights
from mcu_gen.ops.fully_connected import weights_zero_point
from mcu_gen.targets import Target


@dataclass(frozen=True)
class DenseScaling:
    """Scaling of ``mg_mk_dense_s8`` that gives what the reference computes; arrays are int32 [channels]."""

    headroom: int
    offset: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray


def least_sums(scale: float, results: np.ndarray) -> np.ndarray:
    """Least sums whose results round(double(sum) * scale), halves away from zero, reach ``results``; int64."""
    limits = results - 0.5
    sums = np.ceil(limits / scale)
    for _ in range(2):  # the division rounds
        sums = np.where(_reach((sums - 1) * scale, limits), sums - 1, sums)
    for _ in range(2):
        sums = np.where(_reach(sums * scale, limits), sums, sums + 1)
    found: np.ndarray = sums.astype(np.int64)
    return found


def _reach(products: np.ndarray, limits: np.ndarray) -> np.ndarray:
    reached: np.ndarray = np.where(limits > 0, products >= limits, products > limits)
    return reached


def fitted(
    scale: float, least: int, most: int, bias: int, results: range, headroom: int
) -> tuple[int, int, int] | None:
    """``(offset, multiplier, shift)`` with which every sum from ``least`` to ``most`` gives the reference's result.

    The micro-kernel's result for a sum is at least ``t`` when ((sum << headroom) + offset) * multiplier + 2**30 is at
    least (2 t - 1) * 2**(n - 1) * 2**31 for the shift by ``n``: for a given multiplier, every ``t`` bounds the offset
    from below by the first sum that reaches it and from above by the sum before.  Multipliers around the scale are
    tried until one leaves an offset.

    Args:
        scale: of sums with bias.
        least, most: sums without bias.
        bias: is part of the offset.
        results: those that are told from one another, without the output's zero point; others are clamped.
        headroom: bits by which sums are shifted to the left.
    """
    fraction, exponent = math.frexp(scale)
    n = headroom - exponent
    if not 1 <= n <= 30:
        return None
    first = (least_sums(scale, np.array(results, np.float64)) - bias).tolist()
    nearest = round(fraction * 2**31)
    for step in range(65):
        multiplier = nearest + (step + 1) // 2 * (-1 if step % 2 else 1)
        if not 1 <= multiplier < 1 << 31:
            continue
        lowest, highest = -(1 << 31), (1 << 31) - 1
        for t, s in zip(results, first, strict=True):
            reaching = -(-(((2 * t - 1) << (n + 30)) - (1 << 30)) // multiplier)
            if s <= most:
                lowest = max(lowest, reaching - (max(s, least) << headroom))
            if s > least:
                highest = min(highest, reaching - 1 - (min(s - 1, most) << headroom))
        if lowest <= highest:
            return min(max(bias << headroom, lowest), highest), multiplier, -n
    return None


@lru_cache(maxsize=64)
def _dense_scaling(channels: tuple[tuple[float, int, int, int], ...], results: range) -> DenseScaling | None:
    reach = max(max(abs(least + b), abs(most + b), abs(least), abs(most), 1) for _, least, most, b in channels)
    headroom = 30 - reach.bit_length()
    if headroom < 6:
        return None
    found = []
    for scale, least, most, bias in channels:
        one = fitted(scale, least, most, bias, results, headroom) if scale > 0.0 else None
        if one is None or max(abs((s << headroom) + one[0]) for s in (least, most)) >= 1 << 31:
            return None
        found.append(one)
    return DenseScaling(headroom, *(np.array(a, np.int32) for a in zip(*found, strict=True)))


def dense_scaling(node: Node) -> DenseScaling | None:
    """The scaling of a node whose weights have no zero point; None where 32 bits do not suffice."""
    rows = constant(node.input(1)).astype(np.int64)
    exact = -node.x.zp * rows.sum(axis=1) + (weights.bias_of(node) if node.has_input(2) else 0)
    bias = folded_bias(rows, weights.bias_of(node), node.x.zp)
    if not np.array_equal(exact, bias):
        return None
    ends = np.stack([rows * limit for limit in node.x.dtype.limits])
    least, most = ends.min(axis=0).sum(axis=1), ends.max(axis=0).sum(axis=1)
    low, high = weights.output_range(node)
    channels = zip(weights.channel_scales(node), least.tolist(), most.tolist(), bias.tolist(), strict=True)
    return _dense_scaling(tuple(channels), range(low - node.y.zp + 1, high - node.y.zp + 1))


@kernel
class FullyConnectedS8Mve(Kernel):
    """Weights without zero point."""

    name = "fully_connected_s8_mve"
    ops = ("fully_connected",)
    features = ("mve",)
    definitions = ("vector128",)

    def rejects(self, node: Node, target: Target) -> str | None:
        if node.x.dtype is not DType.INT8:
            return f"input is {node.x.dtype.value}"
        if node.input(1).data is None:
            return "weights are not constant"
        if weights_zero_point(node) != 0:
            return "weights have a zero point"
        if dense_scaling(node) is None:
            return "outputs need more than 32 bits to be exact"
        return None

    def scratch(self, node: Node, target: Target) -> int:
        depth = node.input(1).shape[1]
        return blocks(depth) * LANES if depth % LANES else 0

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return by_pixel(node, signed=True)

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        """A row is read again for every four channels, or copied before."""
        if node.y.elements > MAX_ELEMENTS:
            return {}
        channels, depth = node.input(1).shape
        row = np.arange(node.x.elements // depth, dtype=np.int64)
        before = row * channels + ((channels - 1) // QUAD * QUAD if depth % LANES == 0 else 0)
        ends = np.stack([before, (row + 1) * channels], axis=1).reshape(-1)
        return {(0, 0): ordered_lead(ends, np.repeat(row * depth, 2))}

    def work(self, node: Node, target: Target) -> dict[str, float]:
        channels, depth = node.input(1).shape
        rows, vectors = node.x.elements // depth, blocks(depth)
        quads = rows * -(-channels // QUAD)
        copied = rows * (depth % LANES > 0)
        return {
            "call": 1,
            "row": rows,
            "quad": quads,
            "pair": quads * (vectors // 2),
            "odd": quads * (vectors % 2),
            "masked": rows * (channels % QUAD > 0),
            ("copied narrow" if depth <= NARROW else "copied"): copied,
            "copied block": copied * (depth // LANES),
        }

    def call(self, node: Node, target: Target) -> Call:
        w = constant(node.input(1))
        scaling = dense_scaling(node)
        assert scaling is not None, f"{node.name} is not served"
        low, high = weights.output_range(node)
        return Call(
            {
                "rows": node.x.elements // w.shape[1],
                "depth": w.shape[1],
                "weights": Array(packed_rows(w), "weights"),
                "scaling": Array(packed_scaling(scaling.offset, scaling.multiplier, scaling.shift), "scaling"),
                "blocks": blocks(w.shape[1]),
                "channels": w.shape[0],
                "headroom": scaling.headroom,
                "output_zero_point": node.y.zp,
                "low": low,
                "high": high,
            },
            (In(0), Out(0), Scratch()),
        )
