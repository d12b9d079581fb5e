"""Gradients of resized images: the transposed map."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node, Tensor, operator
from mcu_gen.train.builder import Builder
from mcu_gen.train.gradients.common import constant, name_of, reshape, total
from mcu_gen.train.gradients.rules import rule


def _matrix(node: Node, axis: int) -> np.ndarray:
    """What resizing does along one axis: float32 [output, input], read off the images that are 1 in one row."""
    n, m = node.x.shape[axis], node.y.shape[axis]
    units = np.eye(n, dtype=np.float32).reshape(1, n, 1, n)
    size = Tensor("size", (2,), DType.INT32, data=np.array([m, 1], np.int32))
    x, y = Tensor("x", units.shape, DType.FLOAT32), Tensor("y", (1, m, 1, n), DType.FLOAT32)
    (found,) = operator(node.type).evaluate(Node(node.op, (x, size), (y,)), [units, size.data])
    return found.reshape(m, n)


def _repeats(matrix: np.ndarray) -> int | None:
    """k where every input is simply taken k times in a row, else None."""
    m, n = matrix.shape
    return m // n if np.array_equal(matrix, np.repeat(np.eye(n), max(1, m // n), axis=0)) else None


@rule("resize_nearest_neighbor", "resize_bilinear")
def _resize(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    """Sums of blocks where pixels were repeated; else products with the map along the rows and along the columns."""
    del wanted
    name = name_of(node, 0)
    n, h, w, c = node.x.shape
    rows, columns = _matrix(node, 1), _matrix(node, 2)
    across, along = _repeats(rows), _repeats(columns)
    if across is not None and along is not None:
        blocks = reshape(b, dy, (n * h, across, w, along, c), name)
        return {0: reshape(b, total(b, blocks, (1, 3), name), node.x.shape, name)}
    flags = {"adj_x": True, "adj_y": False}
    out_h, out_w = node.y.shape[1:3]
    dy = reshape(b, dy, (n, out_h, out_w * c), name)
    dy = b.one("batch_matmul", [constant(b, rows, f"{name}.rows"), dy], name, **flags)
    dy = reshape(b, dy, (n * h, out_w, c), name)
    dy = b.one("batch_matmul", [constant(b, columns, f"{name}.columns"), dy], name, **flags)
    return {0: reshape(b, dy, node.x.shape, name)}
