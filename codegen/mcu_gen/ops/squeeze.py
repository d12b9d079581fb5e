"""SQUEEZE: without some or all axes of length 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import Node, Operator, TensorType, register
from mcu_gen.ops.movement import ANY_DTYPE, axis_of


@register
class Squeeze(Operator):
    """x -> y without the axes ``squeeze_dims``, or without all axes of length 1 when none is named."""

    name = "squeeze"
    halves = (0,)
    builtin = "SQUEEZE"
    dtypes = ANY_DTYPE

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        dims = options.get("squeeze_dims")
        return {"squeeze_dims": () if dims is None else tuple(int(d) for d in dims)}

    def infer(self, node: Node) -> list[TensorType]:
        shape = node.x.shape
        named = {axis_of(d, len(shape), "squeezed axis") for d in node.attr("squeeze_dims")}
        for axis in sorted(named):
            if shape[axis] != 1:
                raise ValueError(f"squeezed axis {axis} of {list(shape)} has length {shape[axis]}, it must be 1")
        gone = named or {axis for axis, n in enumerate(shape) if n == 1}
        return [TensorType(tuple(n for axis, n in enumerate(shape) if axis not in gone), node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        return [x.reshape(node.y.shape)]
