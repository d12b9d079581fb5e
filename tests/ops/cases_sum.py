"""SUM: axes, shapes, scales, rounding.

``BUILTIN_REF`` reads int8 and int16 inputs as uint8 (``QuantizedMeanOrSum`` in ``reduce.cc``), so the quantized cases
have no LiteRT side; ``test_sum.py`` compares them with real arithmetic.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ops.cases_mean import SHAPES, mean
from support.three_way import Case

_QUICK = {"height and width", "height and channels"}
_ENDS = np.array([[2**31 - 1, 2**31 - 1, 5], [-(2**31), -1, 7]], np.int32)
_QUANT = {
    "other scale": ((0.05, 3), (0.5, -7)),
    "ends": ((0.05, -128), (0.4, 127)),
    "saturates": ((0.05, -100), (0.001, 0)),
    "tiny": ((0.001, 5), (1.0, 5)),
}

CASES = [
    *(
        Case(
            f"{d} {n}{' kept' if keep else ''}",
            partial(mean, *o, dtype=d, keep_dims=keep, builtin="SUM"),
            quick=n in _QUICK and not keep,
            oracle=d in ("int32", "float32"),
        )
        for d in ("int8", "int16", "int32", "float32")
        for n, o in SHAPES.items()
        for keep in (False, True)
    ),
    *(
        Case(
            f"{d} {n}",
            partial(mean, (1, 3, 3, 40), (1, 2), dtype=d, x_quant=q[0], y_quant=q[1], builtin="SUM"),
            oracle=False,
        )
        for d in ("int8", "int16")
        for n, q in _QUANT.items()
    ),
    Case("int32 wraps", partial(mean, (2, 3), (1,), dtype="int32", builtin="SUM"), [[_ENDS]]),
]
