"""Gradients of pools."""

from __future__ import annotations

from mcu_gen.graph import Node
from mcu_gen.train.builder import Builder
from mcu_gen.train.gradients.common import name_of, window
from mcu_gen.train.gradients.rules import rule


@rule("average_pool2d")
def _average_pool2d(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    return {0: b.one("average_pool2d_grad", [dy], name_of(node, 0), shape=node.x.shape, **window(node))}


@rule("max_pool2d")
def _max_pool2d(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    return {0: b.one("max_pool2d_grad", [dy, node.x.name], name_of(node, 0), **window(node))}
