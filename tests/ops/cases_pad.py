"""PAD: borders on any axis, zero points, element and index types."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from support.movement import DTYPES, movement
from support.three_way import Case


def _case(name: str, x: Sequence[int], widths: Sequence[Sequence[int]], quick: bool = False, **more: Any) -> Case:
    y = [b + n + a for n, (b, a) in zip(x, widths, strict=True)]
    return Case(name, partial(movement, "PAD", x, y, widths, **more), quick=quick)


_IMAGE = ((0, 0), (1, 2), (3, 1), (0, 0))
CASES = [
    *(_case(t, (2, 3, 4, 2), _IMAGE, dtype=t, quick=t in ("int8", "float32")) for t in DTYPES),
    *(_case(f"{t} paddings", (2, 3), ((0, 1), (1, 0)), index_type=t) for t in ("int8", "int16", "int64", "bool")),
    _case("nothing", (2, 3), ((0, 0), (0, 0))),
    _case("rank 1", (5,), ((2, 3),)),
    _case("every axis of five", (2, 1, 3, 2, 2), ((1, 0), (0, 2), (1, 1), (2, 0), (1, 2)), quick=True),
    _case("outermost axis", (2, 3, 4), ((2, 1), (0, 0), (0, 0))),
    _case("innermost axis", (2, 3, 4), ((0, 0), (0, 0), (1, 3))),
    _case("outer and inner axis", (2, 3, 4), ((1, 1), (0, 0), (2, 0))),
    _case("channels", (1, 4, 4, 8), ((0, 0), (0, 0), (0, 0), (4, 4))),
    _case("after only", (1, 4, 4, 2), ((0, 0), (0, 1), (0, 1), (0, 0))),
    _case("axes of length 1", (1, 1, 1), ((1, 1), (0, 0), (1, 1))),
    _case("zero point of the output", (2, 2), ((1, 0), (0, 1)), y_quant={"scale": 0.5, "zero_point": 33}),
]
