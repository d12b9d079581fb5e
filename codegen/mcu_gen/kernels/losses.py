"""Kernels of losses between an output and a target of its shape, in float32."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.kernels.common import loop_work
from mcu_gen.kernels.contract import Call, CFloat, In, Out, kernel
from mcu_gen.kernels.training import Float32
from mcu_gen.targets import Target


class _Regression(Float32):
    """Element by element."""

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        del node, target
        return {(1, 1): 0}

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        return loop_work(node.x.elements)

    def call(self, node: Node, target: Target) -> Call:
        del target
        factor = CFloat(float(np.float32(1.0 / node.x.elements)))
        return Call({"elements": node.x.elements, "factor": factor}, (In(0), In(1), Out(0), Out(1), Out(2)))


@kernel
class MeanAbsoluteErrorF32(_Regression):
    """Element by element."""

    name = "mean_absolute_error_f32"
    ops = ("mean_absolute_error",)


@kernel
class HuberF32(_Regression):
    """Element by element."""

    name = "huber_f32"
    ops = ("huber",)
