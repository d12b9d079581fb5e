"""Kernels of L2_NORMALIZATION and LOG_SOFTMAX, row by row; a row is finished before the next one is read."""

from __future__ import annotations

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.contract import Value, kernel
from mcu_gen.kernels.softmax import Rows, exponentials
from mcu_gen.ops.log_softmax import scaling
from mcu_gen.targets import Target


@kernel
class L2NormalizationS8(Rows):
    """int8."""

    name = "l2_normalization_s8"
    ops = ("l2_normalization",)
    types = (DType.INT8, DType.INT8)

    def function(self, node: Node) -> dict[str, Value]:
        return {"zero_point": node.x.zp}


@kernel
class L2NormalizationF32(Rows):
    """float32."""

    name = "l2_normalization_f32"
    ops = ("l2_normalization",)
    types = (DType.FLOAT32, DType.FLOAT32)

    def function(self, node: Node) -> dict[str, Value]:
        return {}


@kernel
class LogSoftmaxS8(Rows):
    """int8: gemmlowp's fixed-point exp and logarithm."""

    name = "log_softmax_s8"
    ops = ("log_softmax",)
    types = (DType.INT8, DType.INT8)

    def work(self, node: Node, target: Target) -> dict[str, float]:
        return super().work(node, target) | {"exponential": exponentials(node, scaling(node).forward.diff_min)}

    def function(self, node: Node) -> dict[str, Value]:
        s = scaling(node)
        return {
            "multiplier": s.forward.multiplier,
            "shift": s.forward.shift,
            "reverse_multiplier": s.reverse[0],
            "reverse_shift": s.reverse[1],
            "diff_min": s.forward.diff_min,
        }


@kernel
class LogSoftmaxF32(Rows):
    """float32; terms are added in order of depth."""

    name = "log_softmax_f32"
    ops = ("log_softmax",)
    types = (DType.FLOAT32, DType.FLOAT32)

    def function(self, node: Node) -> dict[str, Value]:
        return {}
