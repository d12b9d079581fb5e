"""Kernels of BATCH_MATMUL: rows and columns are read where they lie, transposed or not."""

from __future__ import annotations

import math

import numpy as np

from mcu_gen.graph import DType, Node, operator
from mcu_gen.kernels.contract import Array, Call, In, Kernel, Out, Value, kernel
from mcu_gen.ops.batch_matmul import matrices, scaling
from mcu_gen.targets import Target

_MAX_BATCHES = 1 << 12  # offsets are a table


def _offsets(batch: tuple[int, ...], all_batches: tuple[int, ...], matrix: int) -> np.ndarray:
    """First element of the matrix of every batch; uint32 [batches]."""
    own = np.arange(math.prod(batch), dtype=np.uint32).reshape(batch) * matrix
    return np.broadcast_to(own, all_batches).reshape(-1).astype(np.uint32)


class _BatchMatMul(Kernel):
    ops = ("batch_matmul",)
    dtype: DType

    def rejects(self, node: Node, target: Target) -> str | None:
        if node.x.dtype is not self.dtype:
            return f"input is {node.x.dtype.value}"
        batches = math.prod(node.y.shape[:-2])
        return None if batches <= _MAX_BATCHES else f"{batches} matrices, at most {_MAX_BATCHES}"

    def work(self, node: Node, target: Target) -> dict[str, float]:
        _, _, (rows, _, _) = matrices(node)
        batches = math.prod(node.y.shape[:-2])
        macs = operator(node.type).macs(node)
        return {"call": 1, "batch": batches, "row": batches * rows, "output": node.y.elements, "mac": macs}

    def call(self, node: Node, target: Target) -> Call:
        a, b, (rows, depth, columns) = matrices(node)
        batch = node.y.shape[:-2]
        row, row_k = (1, rows) if node.bool_attr("adj_x") else (depth, 1)
        column, column_k = (depth, 1) if node.bool_attr("adj_y") else (1, columns)
        fields: dict[str, Value] = {
            "batches": math.prod(batch),
            "rows": rows,
            "depth": depth,
            "columns": columns,
            "row_step": row,
            "row_k": row_k,
            "column_step": column,
            "column_k": column_k,
            "offset0": Array(_offsets(a, batch, rows * depth), "offset0"),
            "offset1": Array(_offsets(b, batch, columns * depth), "offset1"),
        }
        return Call(fields | self.scaling(node), (In(0), In(1), Out()))

    def scaling(self, node: Node) -> dict[str, Value]:
        """Fields that take a sum to an output."""
        multiplier, shift = scaling(node)
        low, high = node.y.dtype.limits
        return {
            "zero_point0": node.input(0).zp,
            "zero_point1": node.input(1).zp,
            "multiplier": multiplier,
            "shift": shift,
            "output_zero_point": node.y.zp,
            "low": low,
            "high": high,
        }


@kernel
class BatchMatMulS8(_BatchMatMul):
    """int8."""

    name = "batch_matmul_s8"
    dtype = DType.INT8


@kernel
class BatchMatMulS16(_BatchMatMul):
    """int16, 64-bit sums."""

    name = "batch_matmul_s16"
    dtype = DType.INT16


@kernel
class BatchMatMulF32(_BatchMatMul):
    """float32."""

    name = "batch_matmul_f32"
    dtype = DType.FLOAT32

    def scaling(self, node: Node) -> dict[str, Value]:
        return {}
