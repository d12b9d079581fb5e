"""int8 ADD of inputs of the same shape, in 14 instructions per element on cores with rounding high multiplications."""

from __future__ import annotations

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.contract import Call, In, Kernel, Out, Tiling, Value, kernel
from mcu_gen.kernels.elementwise import broadcast_loop
from mcu_gen.ops.binary import code_range, sum_scaling
from mcu_gen.targets import Target

LIMIT = 1 << 31


@kernel
class AddS8Dsp(Kernel):
    """Both inputs are brought to half of the larger scale's unit: a shift for one, a multiplication for the other.

    The input with the larger scale has the factor 1/2 exactly, so its rounding never acts, and x * 2**20 / 2 is a
    shift; its zero point goes into the rounding constant of the other one.  Equal scales: (x * 2**21) * (2**31 - 1) /
    2**32, rounded, is x * 2**20, and half of it exact again.
    """

    name = "add_s8_dsp"
    ops = ("add",)
    features = ("dsp",)

    def rejects(self, node: Node, target: Target) -> str | None:
        del target
        if node.x.dtype is not DType.INT8:
            return f"input is {node.x.dtype.value}"
        loop = broadcast_loop(node.input(0).shape, node.input(1).shape)
        if loop.dims or loop.steps != (1, 1):
            return "one input is repeated"
        f = fields(node)
        if not 1 <= f["shift1"] <= 31 or not 1 <= f["shift"] <= 31:
            return "a scale of at least 1/2"
        # rounding constants are added to numbers below 2**29
        if max(abs(f["round1"]), abs(f["round"])) >= LIMIT - (1 << 29):
            return "the scales are too far apart"
        return None

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        del node, target
        return {(0, 0): 0, (1, 0): 0}

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return Tiling("run", "count", node.y.shape[-1] if node.y.shape else 1)

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        low, high = code_range(node)
        clamped = node.y.elements if (low, high) != (-128, 127) else 0
        return {"call": 1, "pair": -(-node.y.elements // 2), "element": node.y.elements, "clamped": clamped}

    def call(self, node: Node, target: Target) -> Call:
        del target
        low, high = code_range(node)
        own: dict[str, Value] = {"count": node.y.elements, "low": low, "high": high}
        large = larger(node)
        return Call(own | dict(fields(node)), (In(large), In(1 - large), Out()))


def larger(node: Node) -> int:
    """Index of the input with the larger scale."""
    return 0 if node.input(0).s >= node.input(1).s else 1


def fields(node: Node) -> dict[str, int]:
    """Constants of ``mg_add_s8``."""
    s = sum_scaling(node)
    large = larger(node)
    multiplier1, shift1 = s.inputs[1 - large]
    right1 = -shift1
    if (multiplier1, shift1) == (1 << 30, 0):
        multiplier1, right1 = LIMIT - 1, 1
    elif multiplier1 == 0:
        right1 = 1
    multiplier, shift = s.output
    right = -shift
    zero = -(node.input(large).zp << 19)
    return {
        "zero_point1": node.input(1 - large).zp,
        "multiplier1": multiplier1,
        "round1": (1 << right1 >> 1) + (zero << right1) if right1 > 0 else 0,
        "shift1": right1,
        "multiplier": multiplier,
        "round": (2 * node.y.zp + 1) << right >> 1 if right > 0 else 0,
        "shift": right,
    }
