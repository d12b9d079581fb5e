"""Gradients of the operators that move elements."""

from __future__ import annotations

from mcu_gen.graph import Node
from mcu_gen.train.builder import Builder
from mcu_gen.train.gradients.common import name_of
from mcu_gen.train.gradients.rules import rule


@rule("reshape", "squeeze", "expand_dims")
def _reshape(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    return {0: b.one("reshape", [dy], name_of(node, 0), new_shape=node.x.shape)}
