"""UNPACK: axes, ranks, element types."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ops.cases_pack import TYPES
from support.movement import QUANT
from support.tflite_builder import ModelBuilder
from support.three_way import Case


def _build(shape: Sequence[int], axis: int, dtype: str = "int8", computed: bool = False) -> bytes:
    """``computed``: input and outputs of the operator are not those of the model."""
    quant = QUANT.get(dtype, {})
    num = shape[axis]
    part = list(shape)
    del part[axis]
    b = ModelBuilder().tensor("x", shape, dtype, **quant)
    source = "x"
    if computed:
        b.tensor("r", shape, dtype, **quant).op("RELU", ["x"], ["r"])
        source = "r"
    names = [f"y{i}" for i in range(num)]
    for name in names:
        b.tensor(name, part, dtype, **quant)
    b.op("UNPACK", [source], names, options={"axis": axis, "num": num})
    if not computed:
        return b.inputs(["x"]).outputs(names).build()
    b.tensor("y", shape, dtype, **quant)
    b.op("PACK", names[::-1], ["y"], options={"axis": axis, "values_count": num})
    return b.inputs(["x"]).outputs(["y"]).build()


CASES = [
    *(Case(t, partial(_build, (2, 3, 4), 1, t), quick=t in ("int8", "float32")) for t in TYPES if t != "int64"),
    *(Case(f"axis {a}", partial(_build, (2, 3, 2, 4), a)) for a in range(-4, 4)),
    Case("one output", partial(_build, (2, 1, 3), 1)),
    Case("vector", partial(_build, (5,), 0)),
    *(Case(f"between layers, axis {a}", partial(_build, (2, 3, 4), a, computed=True)) for a in range(3)),
]
