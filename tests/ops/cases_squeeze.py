"""SQUEEZE: named axes, all axes."""

from __future__ import annotations

from functools import partial

from support.movement import DTYPES, movement
from support.three_way import Case

CASES = [
    *(Case(t, partial(movement, "SQUEEZE", (1, 3, 1, 2), (3, 2), dtype=t), quick=t == "int8") for t in DTYPES),
    Case("one axis", partial(movement, "SQUEEZE", (1, 3, 1), (3, 1), options={"squeeze_dims": [0]})),
    Case("from the back", partial(movement, "SQUEEZE", (1, 3, 1), (1, 3), options={"squeeze_dims": [-1]})),
    Case("axis named twice", partial(movement, "SQUEEZE", (1, 3, 1), (3, 1), options={"squeeze_dims": [0, -3]})),
    Case("nothing to remove", partial(movement, "SQUEEZE", (2, 3), (2, 3))),
    Case("to a scalar", partial(movement, "SQUEEZE", (1, 1), ())),
]
