"""Gradients of batch normalization by running statistics."""

from __future__ import annotations

from collections.abc import Sequence

from mcu_gen.graph import Node
from mcu_gen.train.builder import Builder
from mcu_gen.train.gradients.common import (
    add,
    integers,
    mul,
    name_of,
    reshape,
    scalar,
    sub,
    update_factor,
    update_offset,
)
from mcu_gen.train.gradients.rules import Parameter, rule


def _all_but_x(node: Node) -> Sequence[Parameter]:
    del node
    return [Parameter(1, "factor"), Parameter(2, "bias"), Parameter(3, "statistics")]


@rule("batch_norm", parameters=_all_but_x)
def _batch_norm(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    """The statistics count as constants: dx = dy gamma / deviation; gamma gets dy (x - mean) / deviation."""
    x, gamma, beta, statistics = (node.input(i) for i in range(4))
    name, channels = name_of(node, 0), x.shape[-1]

    def row(index: int) -> str:
        """Mean (0) or variance (1), [C]."""
        arguments = [
            integers(b, v, f"{statistics.name}.{w}") for v, w in (([index, 0], "begin"), ([1, channels], "size"))
        ]
        return reshape(b, b.one("slice", [statistics.name, *arguments], f"{statistics.name}.row"), (channels,), name)

    epsilon = scalar(b, node.float_attr("epsilon"), statistics.name, f"{statistics.name}.epsilon")
    inverse = b.one("rsqrt", [add(b, row(1), epsilon, f"{name}.variance")], f"{name}.inverse")
    found = {}
    if 0 in wanted:
        found[0] = mul(b, dy, mul(b, gamma.name, inverse, f"{name}.factor"), name)
    if gamma.variable:
        normal = mul(b, sub(b, x.name, row(0), f"{x.name}.centred"), inverse, f"{x.name}.normal")
        update_factor(b, dy, normal, gamma)
    if beta.variable:
        update_offset(b, dy, beta)
    if statistics.variable:
        b.update("batch_norm_statistics", [x.name], statistics.name, momentum=node.float_attr("momentum"))
    return found
