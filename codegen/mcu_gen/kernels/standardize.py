"""Kernels of the running normalization of a network's input."""

from __future__ import annotations

from mcu_gen.graph import Node
from mcu_gen.kernels.contract import Call, CFloat, In, Out, Scratch, Value, kernel
from mcu_gen.kernels.training import Float32
from mcu_gen.ops.running_statistics import LARGEST_INPUT, MOST
from mcu_gen.ops.standardize import LARGEST
from mcu_gen.targets import Target


def _rows(node: Node) -> dict[str, Value]:
    channels = node.x.shape[-1]
    return {"rows": node.x.elements // channels, "channels": channels}


@kernel
class StandardizeF32(Float32):
    """A factor for every channel, in scratch; then row by row, in place."""

    name = "standardize_f32"
    ops = ("standardize",)

    def scratch(self, node: Node, target: Target) -> int:
        del target
        return 4 * node.x.shape[-1]

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        del node, target
        return {(0, 0): 0}

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        return {"call": 1, "element": node.x.elements, "channel": node.x.shape[-1]}

    def call(self, node: Node, target: Target) -> Call:
        del target
        return Call(_rows(node) | {"largest": CFloat(LARGEST)}, (In(0), In(1), In(2), Scratch(), Out(0)))


@kernel
class RunningStatisticsF32(Float32):
    """Row by row, in place."""

    name = "running_statistics_f32"
    ops = ("running_statistics",)

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        return {"call": 1, "element": node.x.elements, "channel": node.x.shape[-1]}

    def call(self, node: Node, target: Target) -> Call:
        del target
        fields = _rows(node) | {"most": CFloat(float(MOST)), "largest": CFloat(LARGEST_INPUT)}
        return Call(fields, (In(0), Out(0), Out(1)))
