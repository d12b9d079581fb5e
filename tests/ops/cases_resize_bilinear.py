"""RESIZE_BILINEAR: sizes, options, types, ends of the range."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from support.movement import movement
from support.three_way import Case

_SIZES = (
    ((3, 4), (6, 8)),
    ((6, 8), (3, 4)),
    ((5, 7), (5, 7)),
    ((2, 3), (7, 5)),
    ((1, 1), (4, 5)),
    ((4, 5), (1, 1)),
    ((7, 9), (4, 13)),
    ((3, 3), (31, 2)),
    ((40, 3), (37, 4)),
)
_OPTIONS: dict[str, dict[str, bool]] = {
    "plain": {},
    "align corners": {"align_corners": True},
    "half pixel centers": {"half_pixel_centers": True},
}


def _case(name: str, x: Sequence[int], size: Sequence[int], quick: bool = False, **more: Any) -> Case:
    y = [x[0], *size, x[3]]
    return Case(name, partial(movement, "RESIZE_BILINEAR", x, y, size, **more), quick=quick)


CASES = [
    *(
        _case(f"{t} {a} to {b}, {o}", (1, *a, 3), b, dtype=t, options=options, quick=a == (2, 3))
        for t in ("int8", "int16", "float32")
        for a, b in _SIZES
        for o, options in _OPTIONS.items()
    ),
    *(_case(f"{t} batch 2", (2, 3, 4, 5), (5, 6), dtype=t) for t in ("int8", "int16", "float32")),
    *(_case(f"int8 channels {c}", (1, 3, 4, c), (6, 8)) for c in (1, 17)),
]
