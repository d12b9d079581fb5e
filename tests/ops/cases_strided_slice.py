"""STRIDED_SLICE: every mask, strides of both signs, bounds outside the tensor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from support.movement import DTYPES, movement, shape_after
from support.three_way import Case


def _case(name: str, x: Sequence[int], subscript: Any, dtype: str = "int8", quick: bool = False) -> Case:
    """``x[subscript]`` in NumPy's notation, written with begin, end, strides and masks."""
    items = subscript if isinstance(subscript, tuple) else (subscript,)
    begin, end, strides = [], [], []
    masks = {"begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 0}
    for bit, item in enumerate(items):
        b, e, s = 0, 0, 1
        if item is Ellipsis:
            masks["ellipsis_mask"] |= 1 << bit
        elif item is np.newaxis:
            masks["new_axis_mask"] |= 1 << bit
        elif isinstance(item, int):
            b, e = item, item + 1
            masks["shrink_axis_mask"] |= 1 << bit
        else:
            masks["begin_mask"] |= (item.start is None) << bit
            masks["end_mask"] |= (item.stop is None) << bit
            b, e, s = item.start or 0, item.stop or 0, item.step or 1
        begin.append(b)
        end.append(e)
        strides.append(s)
    y = shape_after(x, items)
    build = partial(movement, "STRIDED_SLICE", x, y, begin, end, strides, dtype=dtype, options=masks)
    return Case(name, build, quick=quick)


_S = np.s_
CASES = [
    *(_case(t, (4, 5, 3), _S[1:4:2, ::-1, 1:], t, quick=t in ("int8", "float32")) for t in DTYPES),
    _case("everything", (3, 4), _S[:, :]),
    _case("every other", (9,), _S[::2]),
    _case("every third from the back", (10,), _S[::-3], quick=True),
    _case("reversed rows", (3, 4), _S[::-1, :]),
    _case("negative bounds", (6, 7), _S[-4:-1, -2:-6:-1]),
    _case("bounds outside", (4, 5), _S[-9:9, 7:-8:-1]),
    _case("stride beyond the end", (4, 5), _S[::9, 1::7]),
    _case("one element", (4, 5, 6), _S[2, -1, 0]),
    _case("first of the batch", (2, 3, 4), _S[0, :, :]),
    _case("shrink in the middle", (2, 3, 4), _S[:, -2, 1:3]),
    _case("fewer subscripts than axes", (3, 4, 5), _S[1:]),
    _case("ellipsis in front", (2, 3, 4), _S[..., 1:3]),
    _case("ellipsis in the middle", (2, 3, 2, 4), _S[1:, ..., ::2]),
    _case("ellipsis at the end", (2, 3, 4), _S[1, ...]),
    _case("new axis in front", (3, 4), _S[np.newaxis, 1:, :]),
    _case("new axis behind an ellipsis", (3, 4), _S[..., np.newaxis]),
    _case("new axis and shrink", (3, 4, 5), _S[1, np.newaxis, :, ::-2]),
    _case("rank 5", (2, 3, 2, 4, 3), _S[::-1, 1:, :, ::3, 2]),
    _case("channels of an image", (1, 5, 4, 8), _S[:, :, :, 1::3], quick=True),
]
