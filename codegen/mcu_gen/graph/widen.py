"""Operators on halves: stored in 16 bits, computed as on float32.

float16 is a storage format of the graph: an operator reads halves as the float32 numbers that they are, computes as it
does on float32, and what it gives is rounded to halves once, to nearest even.  The operators themselves need to know of
float32 alone.  Cores with half-precision arithmetic give the same bits for +, -, *, / and square roots, whose float32
result is precise enough for the second rounding to be harmless (Figueroa 1995).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph.dtype import DType
from mcu_gen.graph.ir import Node, Tensor
from mcu_gen.graph.operator import operator


def has_halves(node: Node) -> bool:
    """Whether an input or an output is float16."""
    return any(t is not None and t.dtype is DType.FLOAT16 for t in (*node.inputs, *node.outputs))


def widened(node: Node) -> Node:
    """``node`` with float32 in the place of float16."""

    def wide(tensor: Tensor) -> Tensor:
        if tensor.dtype is not DType.FLOAT16:
            return tensor
        data = None if tensor.data is None else tensor.data.astype(np.float32)
        return tensor.replace(dtype=DType.FLOAT32, data=data)

    return Node(
        node.op, tuple(None if t is None else wide(t) for t in node.inputs), tuple(wide(t) for t in node.outputs)
    )


def evaluate(node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
    """What a node computes, halves or none."""
    impl = operator(node.type)
    if not has_halves(node) or impl.converts:
        return impl.evaluate(node, inputs)
    wide = [x.astype(np.float32) if x is not None and x.dtype == np.float16 else x for x in inputs]
    with np.errstate(over="ignore", invalid="ignore"):
        found = impl.evaluate(widened(node), wide)
        halves = [t.dtype is DType.FLOAT16 for t in node.outputs]
        return [y.astype(np.float16) if half else y for y, half in zip(found, halves, strict=True)]
