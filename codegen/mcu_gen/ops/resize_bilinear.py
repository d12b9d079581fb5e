"""RESIZE_BILINEAR: every output is a weighted mean of the four inputs around its place.

Rounding rule:

* int8 and int16 (``ResizeBilinearInteger``): the step between places has 10 fractional bits, rounded to nearest; the
  sum of the four products has 20, and is rounded to nearest, ties away from zero.
* float32 (``ResizeBilinear``): places and weights are float32; products are added in the order of the reference.

Codes are taken as they are: input and output have the same scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.graph.region import Span
from mcu_gen.ops.movement import arguments_are_constant, constant_argument
from mcu_gen.ops.spatial import input_is_an_image
from mcu_gen.ops.weights import output_has_input_type

#: One in the fixed-point numbers of places and weights.
ONE = 1 << 10


def not_both_options(node: Node) -> Verdict:
    """align_corners and half_pixel_centers are not both set"""
    return not (node.bool_attr("align_corners") and node.bool_attr("half_pixel_centers")), "both are set"


def places_are_inside(node: Node) -> Verdict:
    """no output lies beyond the last input by the rounding of the step (LiteRT would read outside)"""
    if node.x.dtype is DType.FLOAT32 or not input_is_an_image(node)[0] or not arguments_are_constant(node)[0]:
        return True, ""
    last = [int(places(node, axis)[0].max()) for axis in (1, 2)]
    ok = last[0] < node.x.shape[1] and last[1] < node.x.shape[2]
    return ok, f"row {last[0]} and column {last[1]} of {list(node.x.shape)}"


def target_size(node: Node) -> tuple[int, int]:
    """Height and width of the output.

    Raises:
        ValueError: they are not two positive numbers.
    """
    size = [int(v) for v in constant_argument(node, 1, "size")]
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"the size {size} must be two positive numbers")
    return size[0], size[1]


def places(node: Node, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every output along ``axis`` (1 rows, 2 columns): lower input, upper input, weight of the upper one.

    The weight is int64 in units of 1 / ``ONE``, or float32; one minus it is the weight of the lower input.
    """
    size, out = node.x.shape[axis], target_size(node)[axis - 1]
    aligned = node.bool_attr("align_corners") and out > 1
    half = node.bool_attr("half_pixel_centers")
    numerator, denominator = (size - 1, out - 1) if aligned else (size, out)
    if node.x.dtype is DType.FLOAT32:
        step = np.float32(numerator) / np.float32(denominator)
        value = np.arange(out, dtype=np.float32)
        place = (value + np.float32(0.5)) * step - np.float32(0.5) if half else value * step
        lower = np.maximum(np.floor(place), 0).astype(np.int64)
        upper = np.minimum(np.ceil(place), size - 1).astype(np.int64)
        return lower, upper, (place - lower.astype(np.float32)).astype(np.float32)
    step_fixed = (ONE * numerator + denominator // 2) // denominator
    at = np.arange(out, dtype=np.int64) * step_fixed
    if half:
        at = at + step_fixed // 2 - ONE // 2
    towards_zero = np.where(at >= 0, at // ONE, -(-at // ONE))
    above = at + ONE - 1
    lower = np.maximum(towards_zero, 0)
    upper = np.minimum(np.where(above >= 0, above // ONE, -(-above // ONE)), size - 1)
    return lower, upper, at - ONE * lower


@register
class ResizeBilinear(Operator):
    """x [N, H, W, C], size [2] -> y [N, OH, OW, C]."""

    name = "resize_bilinear"
    builtin = "RESIZE_BILINEAR"
    dtypes = (DType.INT8, DType.INT16, DType.FLOAT32)
    parameter_inputs = (1,)
    constraints = (
        input_is_an_image,
        arguments_are_constant,
        output_has_input_type,
        not_both_options,
        places_are_inside,
    )

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "align_corners": bool(options["align_corners"]),
            "half_pixel_centers": bool(options["half_pixel_centers"]),
        }

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType((node.x.shape[0], *target_size(node), node.x.shape[3]), node.x.dtype)]

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        if index:
            return None
        lower, upper, _ = places(node, axis)
        part = slice(out.lo, out.hi)
        low = min(lower[part].min(), upper[part].min())
        return Span(int(low), int(max(lower[part].max(), upper[part].max())) + 1)

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        y0, y1, dy = places(node, 1)
        x0, x1, dx = places(node, 2)
        real = node.x.dtype is DType.FLOAT32
        source = x if real else x.astype(np.int64)
        one = np.float32(1) if real else np.int64(ONE)
        dy, dx = dy[None, :, None, None], dx[None, None, :, None]
        upper, lower = source[:, y0], source[:, y1]
        total = upper[:, :, x0] * (one - dy) * (one - dx) + lower[:, :, x0] * dy * (one - dx)
        total = total + upper[:, :, x1] * (one - dy) * dx + lower[:, :, x1] * dy * dx
        if real:
            return [total.astype(np.float32)]
        half = np.where(total > 0, ONE * ONE // 2, -(ONE * ONE // 2))
        rounded = total + half
        y = np.where(rounded >= 0, rounded // (ONE * ONE), -(-rounded // (ONE * ONE)))
        return [y.astype(node.y.dtype.numpy)]
