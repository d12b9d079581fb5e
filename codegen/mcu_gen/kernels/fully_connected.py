"""Kernels of FULLY_CONNECTED."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node, Tensor
from mcu_gen.kernels.contract import Array, Call, CFloat, Kernel, kernel
from mcu_gen.ops.fixed_point import activation_bounds_f32, activation_range
from mcu_gen.ops.fully_connected import output_scaling
from mcu_gen.targets import Target


def folded_bias(weights: np.ndarray, bias: np.ndarray | None, input_zero_point: int) -> np.ndarray:
    """Bias with the input's zero point folded in: b - zp * sum(w) per row of ``weights`` [N, K]; int32 [N].

    The kernel then sums plain x * w.  Additions are modulo 2**32, so the order in which terms are added is free.
    """
    total = -input_zero_point * weights.astype(np.int64).sum(axis=1)
    if bias is not None:
        total = total + bias.astype(np.int64)
    return total.astype(np.int32)


def constant(tensor: Tensor) -> np.ndarray:
    """The data of a constant tensor."""
    assert tensor.data is not None, f"{tensor.name} is not a constant"
    return tensor.data


@kernel
class FullyConnectedS8(Kernel):
    """int8, one output at a time, plain C."""

    name = "fully_connected_s8"
    ops = ("fully_connected",)

    def rejects(self, node: Node, target: Target) -> str | None:
        return None if node.x.dtype is DType.INT8 else f"input is {node.x.dtype.value}"

    def cost(self, node: Node, target: Target) -> int:
        return 6 * node.x.elements * node.input(1).shape[0]

    def call(self, node: Node, target: Target) -> Call:
        w = constant(node.input(1))
        n, k = w.shape
        multiplier, shift = output_scaling(node)
        low, high = activation_range(node.str_attr("activation"), node.y.s, node.y.zp, -128, 127)
        return Call(
            {
                "rows": node.x.elements // k,
                "depth": k,
                "channels": n,
                "weights": Array(w, "weights"),
                "bias": Array(folded_bias(w, node.inputs[2].data if node.has_input(2) else None, node.x.zp), "bias"),  # type: ignore[union-attr]
                "multiplier": Array(multiplier, "multiplier"),
                "shift": Array(shift.astype(np.int8), "shift"),
                "output_zero_point": node.y.zp,
                "low": low,
                "high": high,
            }
        )


@kernel
class FullyConnectedF32(Kernel):
    """float32, one output at a time; products are added in order of depth with one rounding each."""

    name = "fully_connected_f32"
    ops = ("fully_connected",)

    def rejects(self, node: Node, target: Target) -> str | None:
        return None if node.x.dtype is DType.FLOAT32 else f"input is {node.x.dtype.value}"

    def cost(self, node: Node, target: Target) -> int:
        return 6 * node.x.elements * node.input(1).shape[0]

    def call(self, node: Node, target: Target) -> Call:
        w = constant(node.input(1))
        n, k = w.shape
        low, high = activation_bounds_f32(node.str_attr("activation"))
        return Call(
            {
                "rows": node.x.elements // k,
                "depth": k,
                "channels": n,
                "weights": Array(w, "weights"),
                "bias": Array(constant(node.input(2)), "bias") if node.has_input(2) else None,
                "low": CFloat(low),
                "high": CFloat(high),
            }
        )
