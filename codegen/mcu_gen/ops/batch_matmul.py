"""BATCH_MATMUL: products of matrices, one per batch; batches broadcast.

Rounding rule (``reference_ops::BatchMatMul``): int8: the int32 sum of (x0 - zero point) * (x1 - zero point) is
multiplied by scale0 x scale1 (a float32 product) / output scale with two roundings (high multiplication, then shift,
ties away from zero), plus output zero point, clamped. int16: 64-bit sums, a 16-bit multiplier and one rounding, ties
upwards. float32: products are added in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.ops.binary import integers_are_quantized, types_agree
from mcu_gen.ops.fixed_point import quantize_multiplier, reduced_multiplier, requant_double, requant_reduced, wrap32

MAX_RANK = 5


def ranks_are_two_to_five(node: Node) -> Verdict:
    """both inputs have two to five dimensions, none of them empty"""
    a, b = node.input(0).shape, node.input(1).shape
    ok = all(2 <= len(s) <= MAX_RANK and min(s) > 0 for s in (a, b))
    return ok, f"they are {list(a)} and {list(b)}"


def factor_is_in_range(node: Node) -> Verdict:
    """the product of the input scales / output scale is below 2^30 in int8, below 128 in int16"""
    if node.x.dtype is DType.FLOAT32 or not integers_are_quantized(node)[0]:
        return True, ""
    return real_factor(node) < (128 if node.x.dtype is DType.INT16 else 2.0**30), f"it is {real_factor(node):g}"


def real_factor(node: Node) -> float:
    """From a sum of products to the output (``GetQuantizedConvolutionMultipler``)."""
    return float(np.float32(node.input(0).s) * np.float32(node.input(1).s)) / node.y.s


def scaling(node: Node) -> tuple[int, int]:
    """``(multiplier, shift)``; the multiplier of int16 has 16 bits."""
    multiplier, shift = quantize_multiplier(real_factor(node))
    if node.x.dtype is DType.INT16:
        multiplier = int(reduced_multiplier(np.array(multiplier)))
    return multiplier, shift


def matrices(node: Node) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, int, int]]:
    """Batch dimensions of both inputs, and (rows, depth, columns) of the product.

    Raises:
        ValueError: the matrices cannot be multiplied.
    """
    a, b = node.input(0).shape, node.input(1).shape
    rows, depth = (a[-1], a[-2]) if node.bool_attr("adj_x") else (a[-2], a[-1])
    columns, other = (b[-2], b[-1]) if node.bool_attr("adj_y") else (b[-1], b[-2])
    if depth != other:
        raise ValueError(f"{list(a)} and {list(b)} do not fit: {depth} columns and {other} rows")
    return a[:-2], b[:-2], (rows, depth, columns)


@register
class BatchMatMul(Operator):
    """x0 [..., M, K], x1 [..., K, N] (each transposed with adj_x, adj_y) -> y [..., M, N]."""

    name = "batch_matmul"
    builtin = "BATCH_MATMUL"
    dtypes = (DType.INT8, DType.INT16, DType.FLOAT32)
    constraints = (types_agree, ranks_are_two_to_five, integers_are_quantized, factor_is_in_range)

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"adj_x": bool(options["adj_x"]), "adj_y": bool(options["adj_y"])}

    def infer(self, node: Node) -> list[TensorType]:
        a, b, (rows, _, columns) = matrices(node)
        try:
            batch = np.broadcast_shapes(a, b)
        except ValueError:
            raise ValueError(f"the batches {list(a)} and {list(b)} do not broadcast") from None
        return [TensorType((*batch, rows, columns), node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x0, x1 = inputs[0], inputs[1]
        assert x0 is not None
        assert x1 is not None
        a = np.swapaxes(x0, -1, -2) if node.bool_attr("adj_x") else x0
        b = np.swapaxes(x1, -1, -2) if node.bool_attr("adj_y") else x1
        if node.x.dtype is DType.FLOAT32:
            return [(a.astype(np.float64) @ b.astype(np.float64)).astype(np.float32)]
        total = (a.astype(np.int64) - node.input(0).zp) @ (b.astype(np.int64) - node.input(1).zp)
        if node.x.dtype is DType.INT16:
            y = requant_reduced(total, *scaling(node))
        else:
            y = wrap32(requant_double(wrap32(total), *scaling(node)) + node.y.zp)
        return [np.clip(y, *node.y.dtype.limits).astype(node.y.dtype.numpy)]

    def macs(self, node: Node) -> int:
        return node.y.elements * matrices(node)[2][1]
