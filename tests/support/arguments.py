"""The cases that ARG_MAX and ARG_MIN have in common."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from support.movement import QUANT
from support.tflite_builder import ModelBuilder
from support.three_way import Case


def extremum(
    builtin: str, shape: Sequence[int], axis: int, dtype: str = "int8", to: str = "int32", index_type: str = "int32"
) -> bytes:
    """A model of one ARG_MAX or ARG_MIN."""
    b = ModelBuilder().tensor("x", shape, dtype, **QUANT.get(dtype, {}))
    b.tensor("axis", (1,), index_type, data=[axis])
    y = list(shape)
    del y[axis]
    b.tensor("y", y, to)
    return b.op(builtin, ["x", "axis"], ["y"], options={"output_type": to}).inputs(["x"]).outputs(["y"]).build()


def argument_cases(builtin: str) -> list[Case]:
    """Types, axes, and inputs full of equal elements."""
    build = partial(extremum, builtin)
    ties = np.random.default_rng(1).integers(0, 3, (4, 5, 6)).astype(np.int8)
    return [
        *(
            Case(f"{t} to {to}", partial(build, (3, 11), -1, t, to), quick=True)
            for t in ("int8", "int32", "float32")
            for to in ("int32", "int64")
        ),
        *(Case(f"axis {a}", partial(build, (2, 3, 4, 5), a)) for a in range(-4, 4)),
        *(Case(f"ties, axis {a}", partial(build, (4, 5, 6), a), [[ties]]) for a in range(3)),
        Case("int64 axis", partial(build, (2, 3), 1, index_type="int64")),
        Case("vector", partial(build, (7,), 0)),
        Case("one element", partial(build, (3, 1), 1)),
        Case("wide indices of short rows", partial(build, (9, 2), 1, to="int64")),
    ]
