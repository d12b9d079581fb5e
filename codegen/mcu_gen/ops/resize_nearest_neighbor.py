"""RESIZE_NEAREST_NEIGHBOR: an image of another size, every pixel taken from the nearest one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.graph.region import Span
from mcu_gen.ops.movement import ANY_DTYPE, arguments_are_constant, constant_argument


def input_is_an_image(node: Node) -> Verdict:
    """the input has rank 4 (NHWC)"""
    return len(node.x.shape) == 4, f"its shape is {list(node.x.shape)}"


def nearest_indices(input_size: int, output_size: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    """Index of the source pixel of every output pixel along one axis; int64 [output_size].

    ``GetNearestNeighbor`` of the TFLite reference kernel, in float32 as there; TfLiteRound takes halves away from zero.
    """
    one = np.float32(1)
    if align_corners and output_size > 1:
        scale = np.float32(input_size - 1) / np.float32(output_size - 1)
    else:
        scale = np.float32(input_size) / np.float32(output_size)
    offset = one / 2 if half_pixel_centers else one * 0
    position = (np.arange(output_size, dtype=np.float32) + offset) * scale
    # positions are not negative: floor(p + 1/2), added in float64 where it is exact, is the rounding of halves upwards
    index = np.floor(position.astype(np.float64) + 0.5) if align_corners else np.floor(position)
    return np.clip(index.astype(np.int64), 0, input_size - 1)


def source_rows_and_columns(node: Node) -> tuple[np.ndarray, np.ndarray]:
    """Source row of every output row and source column of every output column."""
    _, in_h, in_w, _ = node.x.shape
    out_h, out_w = (int(v) for v in constant_argument(node, 1, "size"))
    corners, centers = node.bool_attr("align_corners"), node.bool_attr("half_pixel_centers")
    return nearest_indices(in_h, out_h, corners, centers), nearest_indices(in_w, out_w, corners, centers)


@register
class ResizeNearestNeighbor(Operator):
    """x [N, H, W, C], size [2] -> y [N, size[0], size[1], C]."""

    name = "resize_nearest_neighbor"
    builtin = "RESIZE_NEAREST_NEIGHBOR"
    dtypes = tuple(d for d in ANY_DTYPE if d is not DType.INT64)
    parameter_inputs = (1,)
    constraints = (arguments_are_constant, input_is_an_image)

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "align_corners": bool(options["align_corners"]),
            "half_pixel_centers": bool(options["half_pixel_centers"]),
        }

    def infer(self, node: Node) -> list[TensorType]:
        if len(node.x.shape) != 4:
            raise ValueError(f"the input has shape {list(node.x.shape)}, it must have rank 4")
        if not node.has_input(1) or node.input(1).dtype is not DType.INT32:
            raise ValueError("the size must be int32")
        size = [int(v) for v in constant_argument(node, 1, "size")]
        if len(size) != 2 or min(size) < 1 or min(node.x.shape[1:3]) < 1:
            raise ValueError(f"an image of {list(node.x.shape[1:3])} cannot be resized to {size}")
        return [TensorType((node.x.shape[0], size[0], size[1], node.x.shape[3]), node.x.dtype)]

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        sources = source_rows_and_columns(node)[axis - 1][out.lo : out.hi]  # in ascending order
        return Span(int(sources[0]), int(sources[-1]) + 1) if index == 0 else None

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        rows, columns = source_rows_and_columns(node)
        return [x[:, rows][:, :, columns]]
