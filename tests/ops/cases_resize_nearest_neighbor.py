"""RESIZE_NEAREST_NEIGHBOR: sizes up and down, both alignment options, element types."""

from __future__ import annotations

from functools import partial

from support.movement import DTYPES, movement
from support.three_way import Case

_SIZES = [
    ((4, 5), (8, 10)),
    ((4, 5), (7, 3)),
    ((5, 3), (5, 3)),
    ((1, 1), (3, 2)),
    ((7, 9), (1, 1)),
    ((3, 11), (13, 17)),
]


def _case(
    x: tuple[int, int], y: tuple[int, int], corners: bool, centers: bool, dtype: str = "int8", quick: bool = False
) -> Case:
    options = {"align_corners": corners, "half_pixel_centers": centers}
    build = partial(movement, "RESIZE_NEAREST_NEIGHBOR", (2, *x, 3), (2, *y, 3), y, dtype=dtype, options=options)
    flags = (" corners" if corners else "") + (" centers" if centers else "")
    return Case(f"{dtype} {x} to {y}{flags}", build, quick=quick)


CASES = [
    *(
        _case(x, y, corners, centers, quick=(x, y, corners) == ((4, 5), (7, 3), False))
        for x, y in _SIZES
        for corners in (False, True)
        for centers in (False, True)
    ),
    *(_case((3, 2), (5, 6), False, False, t) for t in DTYPES if t not in ("int8", "int64")),
]
