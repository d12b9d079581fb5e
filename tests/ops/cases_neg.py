"""NEG: float32, the ends of the range."""

from __future__ import annotations

from functools import partial

import numpy as np

from support.elementwise import unary
from support.three_way import Case

_ENDS = np.array([0.0, -0.0, 1e-40, 3e38, -3e38, np.inf, -np.inf, 1.5], np.float32)

CASES = [
    Case("ends", partial(unary, "NEG", shape=(8,), dtype="float32"), [[_ENDS]]),
    *(
        Case(f"{s}", partial(unary, "NEG", shape=s, dtype="float32"), quick=s == (3, 50))
        for s in ((1,), (3, 50), (2, 3, 2, 2))
    ),
]
