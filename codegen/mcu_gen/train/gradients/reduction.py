"""Gradients of means and sums: every element gets its share."""

from __future__ import annotations

from mcu_gen.graph import Node
from mcu_gen.ops.mean import axes_of, count_of
from mcu_gen.train.builder import Builder
from mcu_gen.train.gradients.common import broadcast, name_of, reshape, scaled
from mcu_gen.train.gradients.rules import rule


@rule("mean", "sum")
def _reduction(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    name, axes = name_of(node, 0), axes_of(node)
    share = scaled(b, dy, 1 / count_of(node) if node.type == "mean" else 1, name)
    share = reshape(b, share, [1 if i in axes else n for i, n in enumerate(node.x.shape)], name)
    return {0: broadcast(b, share, node.x.shape, name)}
