"""SQUARED_DIFFERENCE: broadcasts, ratios of scales, zero points, wrap-around in int32."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from support.elementwise import binary
from support.sums import BROADCASTS
from support.three_way import Case

_ENDS = np.array([-(2**31), 2**31 - 1, -1, 0, 1, 2**30, 46341], np.int32)
_PAIRS = [p.astype(np.int8) for p in np.meshgrid(np.arange(-128, 128), np.arange(-128, 128, 5), indexing="ij")]


def _case(name: str, quick: bool = False, inputs: Any = None, **more: Any) -> Case:
    return Case(name, partial(binary, "SQUARED_DIFFERENCE", activation=None, **more), inputs, quick=quick)


CASES = [
    *(_case(f"{t} same shape", dtype=t, quick=True) for t in ("int8", "int32", "float32")),
    *(
        _case(f"{t} {list(a)} {list(b)}", dtype=t, shapes=(a, b))
        for t in ("int8", "int32", "float32")
        for a, b in BROADCASTS
        if len(a) <= 4
    ),
    *(_case(f"{t} constant {i}", dtype=t, constant=i) for t in ("int8", "int32", "float32") for i in (0, 1)),
    *(
        _case(f"int8 scales {s}", scales=s, inputs=[_PAIRS], shapes=(_PAIRS[0].shape,) * 2)
        for s in ((0.1, 0.1, 0.1), (0.1, 0.05, 2.0), (0.02, 0.7, 1.0), (1.0, 1e-3, 60.0), (0.01, 0.02, 1e-6), (1, 1, 1))
    ),
    *(
        _case(f"int8 zero points {z}", zero_points=z)
        for z in ((-128, -128, -128), (127, 127, 127), (-128, 127, 0), (127, -128, -128))
    ),
    _case("int8 twice the same", same=True, scales=(0.05, 0.05, 0.02), zero_points=(3, 3, 5)),
    _case("int32 wraps", dtype="int32", shapes=((7,), (7,)), inputs=[[_ENDS, _ENDS[::-1].copy()]]),
]
