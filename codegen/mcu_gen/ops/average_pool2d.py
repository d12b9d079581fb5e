"""AVERAGE_POOL_2D: the mean of the inputs that a window sees (padding does not count).

Arithmetic (LiteRT ``reference_integer_ops::AveragePool``): integers are summed as they are (input and output have the
same quantization) and divided by the count, rounded to nearest, halves away from zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, Verdict, register
from mcu_gen.graph.region import Span
from mcu_gen.ops import spatial, weights


def quantization_is_kept(node: Node) -> Verdict:
    """input and output have the same quantization (scales to 1e-6, as in the reference)"""
    x, y = node.x, node.y
    if not weights.activations_are_quantized(node)[0] or x.dtype.is_float:
        return True, ""
    same = abs(x.s - y.s) <= 1e-6 and x.zp == y.zp
    return same, f"{x.name} has scale {x.s:g} and zero point {x.zp}, {y.name} {y.s:g} and {y.zp}"


def window_is_not_empty(node: Node) -> Verdict:
    """the window is at least 1x1"""
    h, w = node.int_attr("filter_h"), node.int_attr("filter_w")
    return h >= 1 and w >= 1, f"it is {h}x{w}"


def window_meets_input(node: Node) -> Verdict:
    """every window sees at least one input"""
    if not all(
        rule(node)[0] for rule in (spatial.input_is_an_image, spatial.strides_are_positive, window_is_not_empty)
    ):
        return True, ""  # another rule says what is wrong
    h, w = spatial.geometry(node)
    ok = all(a.out < 1 or (max(a.before, a.after) < a.extent and a.origins()[-1] < a.size) for a in (h, w))
    return (
        ok,
        f"padding {list(spatial.explicit_padding(node))}, window {h.extent}x{w.extent}, input {list(node.x.shape)}",
    )


def pool_attributes(options: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of both pools."""
    own = {"filter_h": int(options["filter_height"]), "filter_w": int(options["filter_width"])}
    return spatial.spatial_attributes(options) | own


POOL_CONSTRAINTS = (
    spatial.input_is_an_image,
    spatial.strides_are_positive,
    window_is_not_empty,
    spatial.padding_is_known,
    window_meets_input,
    weights.activation_is_a_clamp,
    weights.output_has_input_type,
    weights.activations_are_quantized,
    quantization_is_kept,
)


@register
class AveragePool2D(Operator):
    """x [N, H, W, C] -> y [N, OH, OW, C]."""

    name = "average_pool2d"
    halves = (0,)
    builtin = "AVERAGE_POOL_2D"
    dtypes = (DType.INT8, DType.INT16, DType.FLOAT32)
    constraints = POOL_CONSTRAINTS

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return pool_attributes(options)

    def infer(self, node: Node) -> list[TensorType]:
        height, width = spatial.output_size(node)
        return [TensorType((node.x.shape[0], height, width, node.x.shape[3]), node.x.dtype)]

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        return spatial.seen_span(node, axis, out) if index == 0 else None

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        wide = x.astype(np.float64 if x.dtype == np.float32 else np.int64)
        total = np.zeros(node.y.shape, wide.dtype)
        for _, _, seen in spatial.taps(wide, node, 0):
            total += seen
        ones = np.ones((1, *x.shape[1:3], 1), np.int64)
        count = np.zeros((1, *node.y.shape[1:3], 1), np.int64)
        for _, _, seen in spatial.taps(ones, node, 0):
            count += seen
        if x.dtype == np.float32:
            return [np.clip(total / count, *weights.output_bounds(node)).astype(np.float32)]
        rounded = np.where(total > 0, total + count // 2, total - count // 2)
        mean = np.sign(rounded) * (np.abs(rounded) // count)  # C divides towards zero
        return [np.clip(mean, *weights.output_range(node)).astype(x.dtype)]
