"""The cases that MAXIMUM and MINIMUM have in common."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from support.elementwise import binary
from support.sums import BROADCASTS
from support.three_way import Case

_PAIRS = [p.astype(np.int8) for p in np.meshgrid(np.arange(-128, 128), np.arange(-128, 128, 3), indexing="ij")]
_NAN = np.array([np.nan, 1, -0.0, 0.0, np.inf, -np.inf, 3, 3], np.float32)


def extremum_cases(op: str) -> list[Case]:
    """Broadcasts, constants and repeated inputs for every type."""

    def case(name: str, quick: bool = False, inputs: Any = None, **more: Any) -> Case:
        return Case(name, partial(binary, op, activation=None, **more), inputs, quick=quick)

    out = []
    for dtype in ("int8", "int16", "int32", "float32"):
        scales = (0.05,) * 3 if dtype == "int8" else (3e-4,) * 3
        common = {"dtype": dtype, "scales": scales, "zero_points": (3, 3, 3)}
        out.append(case(f"{dtype} same shape", quick=True, **common))
        out += [case(f"{dtype} {list(a)} {list(b)}", shapes=(a, b), **common) for a, b in BROADCASTS]
        out += [case(f"{dtype} constant {which}", constant=which, **common) for which in (0, 1)]
        out.append(case(f"{dtype} scalar", constant=1, shapes=((2, 3, 5), ()), **common))
        out.append(case(f"{dtype} twice the same", same=True, **common))
    out.append(case("int8 all pairs", inputs=[_PAIRS], shapes=(_PAIRS[0].shape,) * 2))
    out.append(case("float32 not a number", inputs=[[_NAN, _NAN[::-1].copy()]], shapes=((8,), (8,)), dtype="float32"))
    return out
