"""Gradients of the operators that compute element by element."""

from __future__ import annotations

from mcu_gen.graph import Node
from mcu_gen.train.builder import Builder
from mcu_gen.train.gradients.rules import rule


def _same_shapes(node: Node) -> str | None:
    shapes = [list(node.input(i).shape) for i in (0, 1)]
    return (
        None if shapes[0] == shapes[1] else f"the inputs have the shapes {shapes[0]} and {shapes[1]}, which must agree"
    )


@rule("add", limit=_same_shapes)
def _add(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del b, node
    return dict.fromkeys(wanted, dy)
