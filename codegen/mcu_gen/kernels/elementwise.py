"""Kernels of ADD, SUB and MUL: one loop for every broadcast, over dimensions that are merged here."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import loop_work, other_weights
from mcu_gen.kernels.contract import Array, Call, CFloat, In, Kernel, Out, Tiling, Value, halves, kernel
from mcu_gen.ops.binary import code_range, power_of_two_shifts, sum_scaling
from mcu_gen.ops.fixed_point import activation_bounds_f32
from mcu_gen.ops.mul import product_scaling
from mcu_gen.targets import Target

#: Outer dimensions that the kernels can count.
MAX_RANK = 6


@dataclass(frozen=True)
class Loop:
    """Rows of ``inner`` elements under outer indices ``dims``; strides count elements, 0 where an input is repeated."""

    inner: int
    steps: tuple[int, int]
    dims: tuple[int, ...]
    strides: tuple[tuple[int, ...], tuple[int, ...]]

    def fields(self) -> dict[str, Value]:
        """Fields of the parameter struct (``templates/kernels/_binary.j2``)."""

        def array(values: tuple[int, ...], hint: str) -> Value:
            return Array(np.array(values, np.uint32), hint) if values else None

        return {
            "inner": self.inner,
            "step0": self.steps[0],
            "step1": self.steps[1],
            "rank": len(self.dims),
            "dims": array(self.dims, "dims"),
            "stride0": array(self.strides[0], "stride0"),
            "stride1": array(self.strides[1], "stride1"),
        }


def broadcast_loop(a: tuple[int, ...], b: tuple[int, ...]) -> Loop:
    """The loop over the broadcast of the shapes ``a`` and ``b``.

    Dimensions of length 1 are dropped, neighbours that broadcast alike are merged: equal shapes and a scalar against
    anything are a single row.
    """
    shape = np.broadcast_shapes(a, b)
    padded = [(1,) * (len(shape) - len(s)) + tuple(s) for s in (a, b)]
    merged: list[tuple[int, bool, bool]] = []  # (length, first input advances, second input advances)
    for length, da, db in zip(shape, *padded, strict=True):
        if length == 1:
            continue
        advances = (da == length, db == length)
        if merged and merged[-1][1:] == advances:
            merged[-1] = (merged[-1][0] * length, *advances)
        else:
            merged.append((length, *advances))
    if not merged:
        merged = [(1, True, True)]
    if 0 in shape:
        merged = [(0, True, True)]
    inner, *steps = merged.pop()
    strides: tuple[list[int], list[int]] = ([], [])
    for which in (0, 1):
        run = inner if steps[which] else 1
        for length, *advancing in reversed(merged):
            strides[which].insert(0, run if advancing[which] else 0)
            run *= length if advancing[which] else 1
    return Loop(
        inner,
        (int(steps[0]), int(steps[1])),
        tuple(length for length, *_ in merged),
        (tuple(strides[0]), tuple(strides[1])),
    )


class Elementwise(Kernel):
    """Common part of the kernels of two inputs."""

    dtype: DType

    def rejects(self, node: Node, target: Target) -> str | None:
        return None if node.x.dtype is self.dtype else f"input is {node.x.dtype.value}"

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        # an input that is not repeated is read at the place that is written, or after it
        same = [i for i in (0, 1) if node.input(i).elements == node.y.elements]
        return {(i, 0): 0 for i in same if node.input(i).dtype is node.y.dtype}

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        loop = broadcast_loop(node.input(0).shape, node.input(1).shape)
        channels = node.y.shape[-1] if node.y.shape else 0
        if not loop.dims and loop.steps == (1, 1):
            return Tiling("run", "inner", channels)
        if len(loop.dims) == 1 and loop.inner == channels:  # one value per channel
            return Tiling("run", "dims", 1, indirect=True)
        return None

    def work(self, node: Node, target: Target) -> dict[str, float]:
        loop = broadcast_loop(node.input(0).shape, node.input(1).shape)
        return loop_work(loop.inner, math.prod(loop.dims))

    def call(self, node: Node, target: Target) -> Call:
        loop = broadcast_loop(node.input(0).shape, node.input(1).shape)
        return Call({**loop.fields(), **self.arithmetic(node)}, (In(0), In(1), Out()))

    def arithmetic(self, node: Node) -> dict[str, Value]:
        """Fields beyond those of the loop."""
        raise NotImplementedError(self.name)


def _sign(node: Node) -> int:
    return -1 if node.type == "sub" else 1


def _code_bounds(node: Node) -> dict[str, Value]:
    low, high = code_range(node)
    return {"low": low, "high": high}


def _real_bounds(node: Node) -> dict[str, Value]:
    low, high = activation_bounds_f32(node.str_attr("activation"))
    return {"low": CFloat(low), "high": CFloat(high)}


class _Real(Elementwise):
    """Floating point; the second input may be float32 beside halves."""

    def rejects(self, node: Node, target: Target) -> str | None:
        return super().rejects(node, target) or other_weights(self, node)


class QuantizedSum(Elementwise):
    """ADD and SUB of quantized inputs: both are brought to twice the larger scale."""

    ops = ("add", "sub")

    def arithmetic(self, node: Node) -> dict[str, Value]:
        s = sum_scaling(node)
        return {
            "sign": _sign(node),
            "left_shift": s.left_shift,
            "zero_point0": node.input(0).zp,
            "multiplier0": s.inputs[0][0],
            "shift0": s.inputs[0][1],
            "zero_point1": node.input(1).zp,
            "multiplier1": s.inputs[1][0],
            "shift1": s.inputs[1][1],
            "output_zero_point": node.y.zp,
            "multiplier": s.output[0],
            "shift": s.output[1],
            **_code_bounds(node),
        }


@kernel
class AddS8(QuantizedSum):
    """int8."""

    name = "add_s8"
    dtype = DType.INT8


@kernel
class AddS16(QuantizedSum):
    """int16 with scales of any value."""

    name = "add_s16"
    dtype = DType.INT16

    def rejects(self, node: Node, target: Target) -> str | None:
        if node.x.dtype is DType.INT16 and power_of_two_shifts(node):
            return "the scales are powers of two"
        return super().rejects(node, target)


@kernel
class AddShiftS16(Elementwise):
    """int16 with power-of-two scales: a shift brings one input to the scale of the other."""

    name = "add_shift_s16"
    ops = ("add", "sub")
    dtype = DType.INT16

    def rejects(self, node: Node, target: Target) -> str | None:
        if node.x.dtype is DType.INT16 and not power_of_two_shifts(node):
            return "the scales are not powers of two"
        return super().rejects(node, target)

    def arithmetic(self, node: Node) -> dict[str, Value]:
        shifts = power_of_two_shifts(node)
        assert shifts is not None
        return {"sign": _sign(node), "shift0": shifts[0], "shift1": shifts[1], **_code_bounds(node)}


@kernel
class AddS32(Elementwise):
    """int32 modulo 2^32."""

    name = "add_s32"
    ops = ("add", "sub")
    dtype = DType.INT32

    def arithmetic(self, node: Node) -> dict[str, Value]:
        return {"sign": _sign(node), **_code_bounds(node)}


@kernel
@halves(("f16", "f16"), ("f16", "f32"))
class AddF32(_Real):
    """float32."""

    name = "add_f32"
    ops = ("add", "sub")
    dtype = DType.FLOAT32

    def arithmetic(self, node: Node) -> dict[str, Value]:
        return {"sign": CFloat(float(_sign(node))), **_real_bounds(node)}


class QuantizedProduct(Elementwise):
    """MUL of quantized inputs."""

    ops = ("mul",)

    def arithmetic(self, node: Node) -> dict[str, Value]:
        multiplier, shift = product_scaling(node)
        return {
            "zero_point0": node.input(0).zp,
            "zero_point1": node.input(1).zp,
            "output_zero_point": node.y.zp,
            "multiplier": multiplier,
            "shift": shift,
            **_code_bounds(node),
        }


@kernel
class MulS8(QuantizedProduct):
    """int8."""

    name = "mul_s8"
    definitions = ("rows",)
    dtype = DType.INT8


@kernel
class MulS16(QuantizedProduct):
    """int16."""

    name = "mul_s16"
    dtype = DType.INT16


@kernel
class MulS32(Elementwise):
    """int32 modulo 2^32."""

    name = "mul_s32"
    ops = ("mul",)
    dtype = DType.INT32

    def arithmetic(self, node: Node) -> dict[str, Value]:
        return _code_bounds(node)


@kernel
@halves(("f16", "f16"), ("f16", "f32"))
class MulF32(_Real):
    """float32."""

    name = "mul_f32"
    ops = ("mul",)
    dtype = DType.FLOAT32

    def arithmetic(self, node: Node) -> dict[str, Value]:
        return _real_bounds(node)
