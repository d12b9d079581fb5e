"""PADV2: borders on any axis, values of any type."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from support.movement import QUANT
from support.tflite_builder import ModelBuilder
from support.three_way import Case


def _build(x: Sequence[int], widths: Sequence[Sequence[int]], value: float, dtype: str, index_type: str) -> bytes:
    quant: dict[str, Any] = QUANT.get(dtype, {})
    b = ModelBuilder().tensor("x", x, dtype, **quant)
    b.tensor("paddings", (len(x), 2), index_type, data=np.array(widths))
    b.tensor("value", (1,), dtype, data=[value], **quant)
    b.tensor("y", [n + before + after for n, (before, after) in zip(x, widths, strict=True)], dtype, **quant)
    return b.op("PADV2", ["x", "paddings", "value"], ["y"]).inputs(["x"]).outputs(["y"]).build()


def _case(
    name: str,
    x: Sequence[int],
    widths: Sequence[Sequence[int]],
    value: float = 5,
    dtype: str = "int8",
    index_type: str = "int32",
    quick: bool = False,
) -> Case:
    return Case(name, partial(_build, x, widths, value, dtype, index_type), quick=quick)


_IMAGE = ((0, 0), (1, 2), (3, 1), (0, 0))
CASES = [
    *(
        _case(t, (2, 3, 4, 2), _IMAGE, 77, t, quick=t in ("int8", "float32"))
        for t in ("int8", "uint8", "int16", "int32", "int64", "float32")
    ),
    _case("int8 lowest", (1, 3, 3, 2), _IMAGE, -128),
    _case("int16 two bytes", (2, 3), ((1, 1), (2, 0)), 0x1234, "int16"),
    _case("int32 four bytes", (2, 3), ((1, 1), (2, 0)), -0x12345678, "int32"),
    _case("float32 value", (2, 3), ((1, 1), (2, 0)), -1.1, "float32"),
    _case("float32 minus infinity", (2, 3), ((1, 1), (2, 0)), -np.inf, "float32"),
    _case("int64 paddings", (2, 3), ((0, 1), (1, 0)), index_type="int64"),
    _case("nothing", (2, 3), ((0, 0), (0, 0))),
    _case("rank 1", (5,), ((2, 3),)),
    _case("every axis of five", (2, 1, 3, 2, 2), ((1, 0), (0, 2), (1, 1), (2, 0), (1, 2))),
]
