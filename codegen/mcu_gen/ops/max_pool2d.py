"""MAX_POOL_2D: the largest input that a window sees; the quantization is kept, nothing is rounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, TensorType, register
from mcu_gen.graph.region import Span
from mcu_gen.ops import spatial, weights
from mcu_gen.ops.average_pool2d import POOL_CONSTRAINTS, pool_attributes


@register
class MaxPool2D(Operator):
    """x [N, H, W, C] -> y [N, OH, OW, C]."""

    name = "max_pool2d"
    halves = (0,)
    builtin = "MAX_POOL_2D"
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
        lowest = -np.inf if x.dtype == np.float32 else int(np.iinfo(x.dtype).min)
        largest = np.full(node.y.shape, lowest, x.dtype)
        for _, _, seen in spatial.taps(x, node, lowest):
            largest = np.maximum(largest, seen)
        bounds = weights.output_bounds(node) if x.dtype == np.float32 else weights.output_range(node)
        return [np.clip(largest, *bounds).astype(x.dtype)]
