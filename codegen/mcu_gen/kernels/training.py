"""Kernels of a training step: losses, gradients of fully connected layers and activations, updates.

Halves are computed as float32.  Additions are in a fixed order and products are added with one rounding, so every core
with FMA gives the host's bits.
"""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.kernels.common import loop_work, weights_field
from mcu_gen.kernels.contract import ELEMENTS, Argument, Call, CFloat, In, Kernel, Out, Value, kernel, variants
from mcu_gen.ops.fixed_point import activation_bounds_f32
from mcu_gen.targets import Target

#: Activations and weights in one type of elements, and halves with float32 weights beside them.
ALL = (("f32", "f32"), ("f16", "f32"), ("f16", "f16"))
#: Vectors of channels are float32.
VECTORS = (("f32", "f32"), ("f16", "f32"))
#: Kernels without weights.
PLAIN = (("f32", "f32"), ("f16", "f16"))


class Floating(Kernel):
    """A kernel whose first input is of the type that ``elements`` names."""

    def rejects(self, node: Node, target: Target) -> str | None:
        del target
        wanted = ELEMENTS[self.elements["x"]]
        return None if node.x.dtype is wanted else f"input is {node.x.dtype.value}"


class Float32(Floating):
    """A kernel for float32 alone."""


class Weighted(Floating):
    """A kernel that reads weights."""

    #: their input
    weights: int = 1

    def rejects(self, node: Node, target: Target) -> str | None:
        w = node.input(self.weights)
        wrong = None if w.dtype is ELEMENTS[self.elements["w"]] else f"weights are {w.dtype.value}"
        return super().rejects(node, target) or wrong


@variants(*ALL)
class FullyConnectedGradInput(Weighted):
    """Four elements of a row at a time, channels in order."""

    name = "fully_connected_grad_input"
    ops = ("fully_connected_grad_input",)

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        channels, depth = node.input(1).shape
        rows = node.x.elements // channels
        fours, rest = divmod(depth, 4)
        return {
            "call": 1,
            "row": rows,
            "four": rows * fours,
            "step": rows * fours * channels,
            "rest": rows * rest,
            "rest step": rows * rest * channels,
        }

    def call(self, node: Node, target: Target) -> Call:
        del target
        channels, depth = node.input(1).shape
        rows = node.x.elements // channels
        return Call({"rows": rows, "channels": channels, "depth": depth, "weights": weights_field(node)})


class Update(Weighted):
    """Writes a variable; the count of updates left out is kept in place."""

    weights = 2

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        del target
        return {(self.weights + 2, 1): 0}

    def operands(self, node: Node) -> tuple[Argument, ...]:
        """Arguments of the C call: operands, step, skipped, weights, skipped, state of the random generator."""
        del node
        return (
            *(In(i) for i in range(self.weights)),
            In(self.weights + 1),
            In(self.weights + 2),
            Out(0),
            Out(1),
            Out(2),
        )


@variants(*ALL)
class FullyConnectedUpdate(Update):
    """Gradient and update of two rows of weights at a time."""

    name = "fully_connected_update"
    ops = ("fully_connected_update",)

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        channels, depth = node.input(2).shape
        rows = node.x.elements // channels
        pairs, odd = divmod(channels, 2)
        return {
            "call": 1,
            "peak": node.x.elements + node.input(1).elements,
            "weight": channels * depth,
            "pair": rows * pairs,
            "step": rows * pairs * (depth // 4),
            "rest": rows * pairs * (depth % 4),
            "odd": rows * odd,
            "odd step": rows * odd * depth,
        }

    def call(self, node: Node, target: Target) -> Call:
        del target
        channels, depth = node.input(2).shape
        fields: dict[str, Value] = {"rows": node.x.elements // channels, "channels": channels, "depth": depth}
        return Call(fields, self.operands(node))


@variants(*VECTORS)
class BiasUpdate(Update):
    """Channel by channel, rows in order."""

    name = "bias_update"
    ops = ("bias_update",)
    weights = 1

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        return {"call": 1, "element": node.x.elements, "channel": node.input(1).elements}

    def call(self, node: Node, target: Target) -> Call:
        del target
        channels = node.input(1).elements
        return Call({"rows": node.x.elements // channels, "channels": channels}, self.operands(node))


@variants(*PLAIN)
class ClampGrad(Floating):
    """Element by element."""

    name = "clamp_grad"
    ops = ("clamp_grad",)

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        del node, target
        return {(0, 0): 0, (1, 0): 0}

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        return loop_work(node.y.elements)

    def call(self, node: Node, target: Target) -> Call:
        del target
        low, high = activation_bounds_f32(node.str_attr("activation"))
        return Call({"elements": node.y.elements, "low": CFloat(low), "high": CFloat(high)}, (In(0), In(1), Out(0)))


@kernel
class SoftmaxCrossEntropyF32(Float32):
    """Row by row; the logits of a row are read before its gradient is written."""

    name = "softmax_cross_entropy_f32"
    ops = ("softmax_cross_entropy",)

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        del node, target
        return {(0, 1): 0}

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        classes = node.x.shape[-1]
        return {"call": 1, "row": node.x.elements // classes, "element": node.x.elements}

    def call(self, node: Node, target: Target) -> Call:
        del target
        classes = node.x.shape[-1]
        fields = {"rows": node.x.elements // classes, "classes": classes}
        return Call(fields, (In(0), In(1), In(2), Out(0), Out(1), Out(2)))


@kernel
class MeanSquaredErrorF32(Float32):
    """Element by element."""

    name = "mean_squared_error_f32"
    ops = ("mean_squared_error",)

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        del node, target
        return {(1, 1): 0}

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        return loop_work(node.x.elements)

    def call(self, node: Node, target: Target) -> Call:
        del target
        factor = CFloat(float(np.float32(2.0 / node.x.elements)))
        return Call({"elements": node.x.elements, "factor": factor}, (In(0), In(1), Out(0), Out(1), Out(2)))
