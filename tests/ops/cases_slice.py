"""SLICE: boxes at both ends, -1, element types, index types."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from support.movement import DTYPES, movement
from support.three_way import Case


def _case(
    name: str,
    x: Sequence[int],
    begin: Sequence[int],
    size: Sequence[int],
    dtype: str = "int8",
    index_type: str = "int32",
    quick: bool = False,
) -> Case:
    y = [n - b if s == -1 else s for n, b, s in zip(x, begin, size, strict=True)]
    build = partial(movement, "SLICE", x, y, begin, size, dtype=dtype, index_type=index_type)
    return Case(name, build, quick=quick)


CASES = [
    *(_case(t, (2, 4, 5, 3), (1, 1, 2, 1), (1, 2, 3, 2), t, quick=t in ("int8", "int16")) for t in DTYPES),
    _case("-1", (3, 4, 5), (1, 0, 2), (-1, -1, -1)),
    _case("everything", (3, 4), (0, 0), (3, 4)),
    _case("one element", (3, 4, 5), (2, 3, 4), (1, 1, 1)),
    _case("rows of an image", (1, 6, 5, 3), (0, 2, 0, 0), (1, 3, 5, 3), quick=True),
    _case("front rows", (1, 6, 5, 3), (0, 0, 0, 0), (1, 3, 5, 3)),
    _case("channels of an image", (1, 4, 5, 8), (0, 0, 0, 3), (1, 4, 5, 2)),
    _case("rank 1", (9,), (4,), (3,)),
    _case("rank 5", (2, 3, 2, 4, 3), (0, 1, 1, 0, 2), (2, 2, 1, 3, 1)),
    _case("rank 8", (2,) * 8, (0, 1) * 4, (2, 1) * 4),
    _case("int64 arguments", (3, 4), (1, 0), (2, -1), index_type="int64"),
]
