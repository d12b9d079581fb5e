"""PACK: axes, ranks, element types, repeated and constant inputs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from support.movement import QUANT
from support.tflite_builder import ModelBuilder
from support.three_way import Case

TYPES = ("int8", "uint8", "int16", "int32", "int64", "float32")


def _build(
    shape: Sequence[int], count: int, axis: int, dtype: str = "int8", constant: int | None = None, repeat: int = 1
) -> bytes:
    rng = np.random.default_rng(5)
    quant = QUANT.get(dtype, {})
    b = ModelBuilder()
    names = [f"x{i}" for i in range(count)]
    for i, name in enumerate(names):
        b.tensor(name, shape, dtype, **quant, data=rng.integers(0, 100, shape) if i == constant else None)
    y = list(shape)
    y.insert(axis % (len(shape) + 1), count * repeat)
    b.tensor("y", y, dtype, **quant)
    b.op("PACK", names * repeat, ["y"], options={"axis": axis, "values_count": count * repeat})
    return b.inputs([n for i, n in enumerate(names) if i != constant]).outputs(["y"]).build()


CASES = [
    *(Case(t, partial(_build, (2, 3, 4), 3, 1, t), quick=t in ("int8", "float32")) for t in TYPES),
    *(Case(f"axis {a}", partial(_build, (2, 3, 2), 2, a)) for a in range(-4, 4)),
    Case("one input", partial(_build, (2, 3), 1, 1)),
    Case("ten inputs", partial(_build, (3, 1), 10, 2)),
    Case("constant", partial(_build, (2, 3), 3, 1, constant=1)),
    Case("the same inputs twice", partial(_build, (2, 3), 2, 1, repeat=2)),
    Case("vectors", partial(_build, (5,), 3, 0)),
    Case("rank 5", partial(_build, (2, 1, 3, 2), 2, 2)),
]
