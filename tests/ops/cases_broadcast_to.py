"""BROADCAST_TO: axes at both ends and in the middle, new axes, element types, index types."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from support.movement import DTYPES, movement
from support.three_way import Case


def _case(
    name: str, x: Sequence[int], y: Sequence[int], dtype: str = "int8", index_type: str = "int32", quick: bool = False
) -> Case:
    build = partial(movement, "BROADCAST_TO", x, y, y, dtype=dtype, index_type=index_type)
    return Case(name, build, quick=quick)


CASES = [
    *(_case(t, (2, 1, 3), (2, 4, 3), t, quick=t in ("int8", "float32")) for t in DTYPES),
    _case("one element", (1,), (7,)),
    _case("new axes", (3,), (2, 4, 3), quick=True),
    _case("the last axis", (3, 1), (3, 5)),
    _case("first and last", (1, 3, 1), (2, 3, 5)),
    _case("alternating", (1, 3, 1, 2, 1), (2, 3, 2, 2, 3)),
    _case("channels of an image", (1, 1, 1, 5), (1, 4, 3, 5), "float32"),
    _case("pixels of an image", (1, 4, 3, 1), (1, 4, 3, 5), "float32"),
    _case("nothing", (2, 3), (2, 3)),
    _case("rank 8", (1, 2) * 4, (2, 2) * 4),
    _case("int64 shape", (3, 1), (3, 2), index_type="int64"),
]
