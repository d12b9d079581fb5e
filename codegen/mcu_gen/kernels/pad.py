"""Kernel of PAD and PADV2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.kernels.common import copied_work
from mcu_gen.kernels.contract import Array, Call, Kernel, kernel
from mcu_gen.ops.pad import pad_value, pad_widths
from mcu_gen.targets import Target


@dataclass(frozen=True)
class Level:
    """One axis, or several that follow on: ``count`` pieces of the input between two borders, all in bytes."""

    count: int
    before: int
    after: int


def levels(node: Node) -> tuple[list[Level], int]:
    """``(levels, outermost first, bytes of an input row)``: axes without a border merge into the one outside them.

    The innermost level is copied as one row, so its ``count`` is 1.
    """
    axes: list[list[int]] = []  # length, before, after in units of everything inside
    for n, (before, after) in zip(node.x.shape, pad_widths(node), strict=True):
        if axes and not (before or after):
            axes[-1] = [v * n for v in axes[-1]]
        else:
            axes.append([n, before, after])
    axes = axes or [[1, 0, 0]]
    unit = node.x.dtype.size
    row = axes[-1][0] * unit
    out = []
    for depth, (n, before, after) in enumerate(reversed(axes)):
        out.append(Level(n if depth else 1, before * unit, after * unit))
        unit *= n + before + after
    return out[::-1], row


def shortest_period(value: np.ndarray) -> np.ndarray:
    """The bytes of an element, or fewer when they repeat (the zero of any type is one byte); uint8 array."""
    raw = np.frombuffer(value.tobytes(), np.uint8)
    return next(raw[:n] for n in (1, 2, 4, 8) if np.array_equal(np.resize(raw[:n], raw.size), raw))


@kernel
class Pad(Kernel):
    """Elements of any size, written front to back."""

    name = "pad"
    ops = ("pad", "padv2")

    def rejects(self, node: Node, target: Target) -> str | None:
        return "a dimension is 0" if node.x.elements == 0 else None

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        # The border only grows the distance between what is written and what is read, so the last row decides.
        nest, _ = levels(node)
        return {(0, 0): node.y.bytes - sum(level.after for level in nest) - node.x.bytes}

    def work(self, node: Node, target: Target) -> dict[str, float]:
        nest, run = levels(node)
        rows = int(np.prod([level.count for level in nest]))
        border = node.y.bytes - node.x.bytes
        pattern = border if len(shortest_period(pad_value(node))) > 1 else 0
        return {"call": 1, "row": rows, "border": border, "pattern": pattern} | copied_work([run], rows)

    def call(self, node: Node, target: Target) -> Call:
        nest, row = levels(node)
        value = shortest_period(pad_value(node))
        return Call(
            {
                "rank": len(nest),
                "rows": int(np.prod([level.count for level in nest])),
                "run": row,
                "count": Array(np.array([level.count for level in nest], np.uint32), "count"),
                "before": Array(np.array([level.before for level in nest], np.uint32), "before"),
                "after": Array(np.array([level.after for level in nest], np.uint32), "after"),
                "value": Array(value, "value"),
                "value_bytes": value.size,
            }
        )
