"""Kernels of what multiplies and shifts channels, and of their running statistics."""

from __future__ import annotations

from mcu_gen.graph import Node
from mcu_gen.kernels.contract import Call, CFloat, In, Out, Scratch, variants
from mcu_gen.kernels.training import VECTORS, Floating, Update
from mcu_gen.ops.batch_norm_statistics import LARGEST_INPUT
from mcu_gen.ops.fixed_point import activation_bounds_f32
from mcu_gen.targets import Target


@variants(*VECTORS)
class MulUpdate(Update):
    """Channel by channel, rows in order."""

    name = "mul_update"
    ops = ("mul_update",)

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        return {"call": 1, "element": node.x.elements, "channel": node.input(2).elements}

    def call(self, node: Node, target: Target) -> Call:
        del target
        channels = node.input(2).elements
        return Call({"rows": node.x.elements // channels, "channels": channels}, self.operands(node))


@variants(*VECTORS)
class BatchNorm(Floating):
    """A factor and an offset for every channel, in scratch; then row by row, in place."""

    name = "batch_norm"
    ops = ("batch_norm",)

    def scratch(self, node: Node, target: Target) -> int:
        del target
        return 8 * node.x.shape[-1]

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        del node, target
        return {(0, 0): 0}

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        return {"call": 1, "element": node.x.elements, "channel": node.x.shape[-1]}

    def call(self, node: Node, target: Target) -> Call:
        del target
        channels = node.x.shape[-1]
        low, high = activation_bounds_f32(node.str_attr("activation"))
        return Call(
            {
                "rows": node.x.elements // channels,
                "channels": channels,
                "epsilon": CFloat(node.float_attr("epsilon")),
                "low": CFloat(low),
                "high": CFloat(high),
            },
            (In(0), In(1), In(2), In(3), Scratch(), Out(0)),
        )


@variants(*VECTORS)
class BatchNormStatistics(Update):
    """Channel by channel: the sum, then the squares of what differs from the mean, rows in order."""

    name = "batch_norm_statistics"
    ops = ("batch_norm_statistics",)
    weights = 1

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        return {"call": 1, "element": node.x.elements, "channel": node.x.shape[-1]}

    def call(self, node: Node, target: Target) -> Call:
        del target
        channels = node.x.shape[-1]
        return Call(
            {
                "rows": node.x.elements // channels,
                "channels": channels,
                "momentum": CFloat(node.float_attr("momentum")),
                "largest": CFloat(LARGEST_INPUT),
            },
            (In(0), In(3), Out(0), Out(1)),
        )
