"""Kernels of MEAN and SUM, one output after the other."""

from __future__ import annotations

import itertools
import math
from typing import ClassVar

import numpy as np

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import MAX_ELEMENTS, raster_lead
from mcu_gen.kernels.contract import Call, Kernel, Value, kernel
from mcu_gen.ops.mean import MAX_RUNS, count_of, runs, scaling
from mcu_gen.ops.sum import sum_multiplier
from mcu_gen.targets import Target


def _loops(node: Node) -> tuple[list[int], list[int]]:
    """Sizes and strides (in elements) of the six runs kept, averaged, kept, averaged, kept, averaged."""
    sizes = runs(node)
    sizes = sizes + [1] * (MAX_RUNS - len(sizes))
    strides = [math.prod(sizes[i + 1 :]) for i in range(MAX_RUNS)]
    return sizes, strides


class _Mean(Kernel):
    ops: ClassVar[tuple[str, ...]] = ("mean", "sum")
    dtype: DType

    def rejects(self, node: Node, target: Target) -> str | None:
        del target
        return None if node.x.dtype is self.dtype else f"input is {node.x.dtype.value}"

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        (_, a0, _, a1, _, a2), _ = _loops(node)
        return {
            "call": 1,
            "output": node.y.elements,
            "outer": node.y.elements * a0,
            "row": node.y.elements * a0 * a1,
            "element": node.y.elements * a0 * a1 * a2,
            "vector": node.y.elements * a0 * a1 * -(-a2 // 16),
        }

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        del target
        if node.y.elements > MAX_ELEMENTS:
            return {}
        sizes, strides = _loops(node)
        steps = [np.arange(sizes[i], dtype=np.int64) * strides[i] for i in (0, 2, 4)]
        first = (steps[0][:, None, None] + steps[1][None, :, None] + steps[2][None, None, :]).reshape(-1)
        return {(0, 0): raster_lead(first * node.x.dtype.size, node.y.dtype.size)}

    def loops(self, node: Node) -> dict[str, Value]:
        """Fields of the loop nest."""
        sizes, strides = _loops(node)
        named = itertools.chain.from_iterable(
            ((f"{kind}{i // 2}", sizes[i]), (f"{kind}{i // 2}_step", strides[i]))
            for i, kind in enumerate(("kept", "averaged") * 3)
        )
        return {name: value for name, value in named if name != "averaged2_step"}


class _Quantized(_Mean):
    def call(self, node: Node, target: Target) -> Call:
        del target
        multiplier, shift = sum_multiplier(node) if node.type == "sum" else scaling(node)
        low, high = node.y.dtype.limits
        return Call(
            self.loops(node)
            | {
                "bias": int(np.int64(-node.x.zp * count_of(node)).astype(np.int32)),
                "multiplier": multiplier,
                "shift": shift,
                "output_zero_point": node.y.zp,
                "low": low,
                "high": high,
            }
        )


@kernel
class MeanS8(_Quantized):
    """int8."""

    name = "mean_s8"
    dtype = DType.INT8


@kernel
class MeanS16(_Quantized):
    """int16."""

    name = "mean_s16"
    dtype = DType.INT16


@kernel
class MeanF32(_Mean):
    """float32; numbers are added in the order of memory."""

    name = "mean_f32"
    dtype = DType.FLOAT32

    def call(self, node: Node, target: Target) -> Call:
        del target
        return Call(self.loops(node) | {"count": 1 if node.type == "sum" else count_of(node)})


@kernel
class SumS32(_Mean):
    """int32 modulo 2^32."""

    name = "sum_s32"
    ops = ("sum",)
    dtype = DType.INT32

    def call(self, node: Node, target: Target) -> Call:
        del target
        return Call(self.loops(node))
