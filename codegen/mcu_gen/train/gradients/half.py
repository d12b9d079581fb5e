"""Gradients of the conversions between halves and float32: the other conversion, where one is still needed."""

from __future__ import annotations

from mcu_gen.graph import DType, Node
from mcu_gen.train.builder import Builder
from mcu_gen.train.gradients.common import name_of
from mcu_gen.train.gradients.rules import rule


def _from_integers(node: Node) -> str | None:
    return None if node.x.dtype.is_float else f"its input is {node.x.dtype.value}"


@rule("dequantize", limit=_from_integers)
def _dequantize(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    return {0: dy if b.tensor(dy).dtype is DType.FLOAT16 else b.one("to_half", [dy], name_of(node, 0))}


@rule("to_half")
def _to_half(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    return {0: dy if b.tensor(dy).dtype is DType.FLOAT32 else b.one("dequantize", [dy], name_of(node, 0))}
