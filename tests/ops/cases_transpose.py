"""TRANSPOSE: every permutation of four axes, element sizes, runs of every length, more axes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial

from support.movement import DTYPES, movement
from support.three_way import Case


def _case(name: str, x: Sequence[int], order: Sequence[int], dtype: str = "int8", quick: bool = False) -> Case:
    y = [x[a] for a in order]
    return Case(name, partial(movement, "TRANSPOSE", x, y, list(order), dtype=dtype), quick=quick)


CASES = [
    *(_case(str(list(p)), (2, 3, 4, 5), p, quick=p == (0, 3, 1, 2)) for p in itertools.permutations(range(4))),
    *(_case(f"{t} swap", (3, 5), (1, 0), t, quick=t in ("int16", "float32", "int64")) for t in DTYPES),
    *(_case(f"{t} runs", (3, 2, 3), (1, 0, 2), t) for t in DTYPES),
    _case("rank 1", (7,), (0,)),
    _case("rank 5", (2, 3, 1, 4, 2), (4, 2, 0, 3, 1)),
    _case("rank 6", (2, 3, 2, 2, 3, 2), (5, 3, 1, 4, 2, 0), "int16"),
    _case("rank 8", (2, 1, 3, 2, 1, 2, 2, 2), (7, 6, 5, 4, 3, 2, 1, 0)),
    _case("only axes of length 1 move", (1, 4, 1, 3), (2, 1, 0, 3)),
    _case("from the back", (2, 3, 4), (-1, 0, -2)),
]
