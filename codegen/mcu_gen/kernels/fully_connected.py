"""Kernels of FULLY_CONNECTED, one output after the other."""

from __future__ import annotations

import math

import numpy as np

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import (
    MAX_ELEMENTS,
    bias_field,
    bounds_fields,
    constant,
    folded_bias,
    other_weights,
    raster_lead,
    weights_field,
)
from mcu_gen.kernels.contract import Array, Call, Kernel, Tiling, halves, kernel
from mcu_gen.ops import weights
from mcu_gen.ops.fully_connected import is_pixelwise, weights_zero_point
from mcu_gen.targets import Target


def by_pixel(node: Node, *, signed: bool) -> Tiling | None:
    """Tiles of a map whose pixels are the rows of a kernel."""
    return Tiling("run", "rows", signed=signed) if is_pixelwise(node) else None


class _FullyConnected(Kernel):
    ops = ("fully_connected",)
    dtype: DType

    def rejects(self, node: Node, target: Target) -> str | None:
        del target
        return None if node.x.dtype is self.dtype else f"input is {node.x.dtype.value}"

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        channels, depth = node.input(1).shape
        rows = node.x.elements // depth
        return {
            "call": 1,
            "row": rows,
            "output": rows * channels,
            "mac": rows * channels * depth,
            "vector": rows * channels * -(-depth // 16),
        }

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return by_pixel(node, signed=self.dtype is not DType.FLOAT32 and self.dtype is not DType.FLOAT16)

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        """Every output of a row reads the whole row."""
        del target
        if node.y.elements > MAX_ELEMENTS:
            return {}
        channels, depth = node.input(1).shape
        rows = np.arange(node.x.elements // depth, dtype=np.int64) * depth
        return {(0, 0): raster_lead(np.repeat(rows, channels) * node.x.dtype.size, node.y.dtype.size)}


@kernel
class FullyConnectedS8(_FullyConnected):
    """int8; zero points folded into the bias, scaling in integers that give what doubles give in the reference."""

    name = "fully_connected_s8"
    dtype = DType.INT8

    def call(self, node: Node, target: Target) -> Call:
        del target
        w = constant(node.input(1))
        # sum((x - zx)(w - zw)) = sum(x * w) - zw * sum(x) - zx * sum(w - zw)
        shifted = w.astype(np.int64) - weights_zero_point(node)
        low, high = weights.output_range(node)
        reach = max(high - node.y.zp, node.y.zp - low, 0) + 1
        factors = [exact_factor(s, reach) for s in weights.channel_scales(node)]
        halves = np.array([[m & 0xFFFFFFFF, m >> 32] for m, _ in factors], np.uint32)
        return Call(
            {
                "rows": node.x.elements // w.shape[1],
                "depth": w.shape[1],
                "channels": w.shape[0],
                "weights": Array(w, "weights"),
                "bias": Array(folded_bias(shifted, weights.bias_of(node), node.x.zp), "bias"),
                "multiplier": Array(halves, "multiplier"),
                "shift": Array(np.array([s for _, s in factors], np.int8), "shift"),
                "weights_zero_point": weights_zero_point(node),
                "output_zero_point": node.y.zp,
                "low": low,
                "high": high,
            }
        )


@kernel
class FullyConnectedS16(_FullyConnected):
    """int16; scaling in double precision, as the reference does it."""

    name = "fully_connected_s16"
    dtype = DType.INT16

    def call(self, node: Node, target: Target) -> Call:
        del target
        w = constant(node.input(1))
        bias = weights.bias_of(node)
        bias = np.zeros(w.shape[0], np.int64) if bias is None else bias.astype(np.int64)
        parts = [math.frexp(s) for s in weights.channel_scales(node)]
        low, high = weights.output_range(node)
        return Call(
            {
                "rows": node.x.elements // w.shape[1],
                "depth": w.shape[1],
                "channels": w.shape[0],
                "weights": Array(w, "weights"),
                "bias": Array(bias, "bias"),
                "mantissa": Array(np.array([int(math.ldexp(f, 53)) for f, _ in parts], np.int64), "mantissa"),
                "exponent": Array(np.array([e - 53 for _, e in parts], np.int16), "exponent"),
                "weights_zero_point": weights_zero_point(node),
                "wrap": 0 if weights.sums_are_wide(node) else 1,
                "low": low,
                "high": high,
            }
        )


@kernel
@halves(("f16", "f32"), ("f16", "f16"))
class FullyConnectedF32(_FullyConnected):
    """float32; products are added in order of depth with one rounding each."""

    name = "fully_connected_f32"
    dtype = DType.FLOAT32

    def rejects(self, node: Node, target: Target) -> str | None:
        return super().rejects(node, target) or other_weights(self, node)

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        channels, depth = node.input(1).shape
        rows = node.x.elements // depth
        fours, alone = divmod(channels, 4)
        return {
            "call": 1,
            "row": rows,
            "block": rows * fours,
            "step": rows * fours * depth,
            "vector": rows * fours * -(-depth // 16),
            "alone": rows * alone,
            "mac": rows * alone * depth,
        }

    def call(self, node: Node, target: Target) -> Call:
        del target
        channels, depth = node.input(1).shape
        return Call(
            {
                "rows": node.x.elements // depth,
                "depth": depth,
                "channels": channels,
                "weights": weights_field(node),
                "bias": bias_field(node),
            }
            | bounds_fields(node)
        )


def exact_factor(scale: float, reach: int) -> tuple[int, int]:
    """``(m, shift)`` such that ``mg_requant_away`` gives round(double(sum) * scale) for every int32 sum.

    The exact product sum * m / 2**(32 + shift), rounded, differs from the reference only where double(sum) * scale lies
    so close below a tie that the multiplication rounds up to it.  m has ten bits more than the double's mantissa; they
    are set to the least amount that lifts those products (and no others) onto the tie.  That amount always exists for
    8-bit outputs: two sums that ask for contradicting amounts would need a scale below 2**-36, where no int32 sum
    reaches a tie.

    Args:
        scale: the factor, a finite double that is not negative.
        reach: results of larger magnitude are clamped anyway.
    """
    fraction, exponent = math.frexp(scale)
    shift = 31 - exponent
    if scale == 0.0 or shift > 63:
        return 0, 1
    if shift < 1:
        return (1 << 63) - 1, 1
    mantissa = int(math.ldexp(fraction, 53))
    extra = 0
    for t in range(reach + 1):
        tie = (2 * t + 1) << (52 - exponent)  # (t + 1/2) / scale * mantissa
        acc = (tie - 1) // mantissa
        if 0 < acc <= 1 << 31 and acc * mantissa < tie and float(acc) * scale >= t + 0.5:
            extra = max(extra, -(-((tie - acc * mantissa) << 10) // acc))
    return (mantissa << 10) + extra, shift
