"""SPLIT: axes, parts, element types, parts that are used by other layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ops.cases_pack import TYPES
from support.movement import QUANT
from support.tflite_builder import ModelBuilder
from support.three_way import Case


def _build(shape: Sequence[int], axis: int, parts: int, dtype: str = "int8", join: bool = False) -> bytes:
    """``join``: the parts are joined again in the reverse order."""
    quant = QUANT.get(dtype, {})
    part = list(shape)
    part[axis] //= parts
    b = ModelBuilder().tensor("axis", (), "int32", data=axis).tensor("x", shape, dtype, **quant)
    names = [f"y{i}" for i in range(parts)]
    for name in names:
        b.tensor(name, part, dtype, **quant)
    b.op("SPLIT", ["axis", "x"], names, options={"num_splits": parts})
    if not join:
        return b.inputs(["x"]).outputs(names).build()
    b.tensor("y", shape, dtype, **quant).op("CONCATENATION", names[::-1], ["y"], options={"axis": axis})
    return b.inputs(["x"]).outputs(["y"]).build()


CASES = [
    *(Case(t, partial(_build, (2, 6, 4), 1, 3, t), quick=t in ("int8", "float32")) for t in TYPES),
    *(Case(f"axis {a}", partial(_build, (2, 4, 6, 8), a, 2)) for a in range(-4, 4)),
    Case("one part", partial(_build, (2, 3), 1, 1)),
    Case("parts of one", partial(_build, (2, 5), 1, 5)),
    Case("vector", partial(_build, (6,), 0, 3)),
    Case("rank 6", partial(_build, (2, 1, 3, 2, 4, 2), 4, 2)),
    *(Case(f"joined in reverse, axis {a}", partial(_build, (2, 4, 6), a, 2, join=True)) for a in range(3)),
]
