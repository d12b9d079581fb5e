"""Gradients of activation functions."""

from __future__ import annotations

from mcu_gen.graph import Node
from mcu_gen.train.builder import Builder
from mcu_gen.train.gradients.common import name_of
from mcu_gen.train.gradients.rules import rule


@rule("relu", "relu6")
def _clamp(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    return {0: b.one("clamp_grad", [dy, node.y.name], name_of(node, 0), activation=node.type)}
