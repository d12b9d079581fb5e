"""Gradients of the operators that move elements: they are moved back, and padding is cut off."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.ops.concatenation import concatenation_axis
from mcu_gen.ops.movement import constant_argument
from mcu_gen.ops.pack import pack_axis
from mcu_gen.ops.pad import MAX_PAD_RANK, pad_widths
from mcu_gen.ops.strided_slice import source_ranges
from mcu_gen.train.builder import Builder
from mcu_gen.train.gradients.common import integers, name_of, reshape, summed_to
from mcu_gen.train.gradients.rules import rule


def _cut(b: Builder, dy: str, begin: list[int], size: list[int], name: str) -> str:
    """A box out of a gradient."""
    arguments = [integers(b, values, f"{name}.{what}") for values, what in ((begin, "begin"), (size, "size"))]
    return b.one("slice", [dy, *arguments], name)


def _padded(b: Builder, dy: str, node: Node, begin: list[int], name: str) -> str:
    """A gradient in the shape of the input, 0 around the box that begins at ``begin``."""
    box = b.tensor(dy).shape
    widths = [(low, n - low - m) for low, n, m in zip(begin, node.x.shape, box, strict=True)]
    return dy if box == node.x.shape else b.one("pad", [dy, integers(b, widths, f"{name}.paddings")], name)


def _rank_can_be_padded(node: Node) -> str | None:
    rank = len(node.x.shape)
    return None if rank <= MAX_PAD_RANK else f"the input has the rank {rank}, at most {MAX_PAD_RANK} are supported"


@rule("reshape", "squeeze", "expand_dims")
def _reshape(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    return {0: reshape(b, dy, node.x.shape, name_of(node, 0))}


@rule("transpose")
def _transpose(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    name = name_of(node, 0)
    back = np.argsort(constant_argument(node, 1, "permutation") % len(node.x.shape))
    return {0: b.one("transpose", [dy, integers(b, list(back), f"{name}.permutation")], name)}


@rule("broadcast_to")
def _broadcast_to(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    return {0: summed_to(b, dy, node.x.shape, name_of(node, 0))}


@rule("pad", "padv2")
def _pad(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    begin = [before for before, _ in pad_widths(node)]
    return {0: _cut(b, dy, begin, list(node.x.shape), name_of(node, 0))}


@rule("slice", limit=_rank_can_be_padded)
def _slice(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    begin = [int(v) for v in constant_argument(node, 1, "begin")]
    return {0: _padded(b, dy, node, begin, name_of(node, 0))}


def _steps_are_one(node: Node) -> str | None:
    steps = [stride for _, length, stride in source_ranges(node) if length > 1]
    if any(stride != 1 for stride in steps):
        return f"the strides are {steps}, supported is 1"
    return _rank_can_be_padded(node)


@rule("strided_slice", limit=_steps_are_one)
def _strided_slice(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    name, ranges = name_of(node, 0), source_ranges(node)
    box = reshape(b, dy, [length for _, length, _ in ranges], name)
    return {0: _padded(b, box, node, [start for start, _, _ in ranges], name)}


@rule("concatenation")
def _concatenation(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    axis, at = concatenation_axis(node), 0
    found = {}
    for i in range(len(node.inputs)):
        shape = node.input(i).shape
        if i in wanted:
            begin = [at if a == axis else 0 for a in range(len(shape))]
            found[i] = _cut(b, dy, begin, list(shape), name_of(node, i))
        at += shape[axis]
    return found


@rule("pack")
def _pack(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    axis, shape = pack_axis(node), node.y.shape
    found = {}
    for i in sorted(wanted):
        begin = [i if a == axis else 0 for a in range(len(shape))]
        size = [1 if a == axis else n for a, n in enumerate(shape)]
        name = name_of(node, i)
        found[i] = reshape(b, _cut(b, dy, begin, size, name), node.x.shape, name)
    return found
