"""CONCATENATION: axes, many inputs, constants and repeated inputs, uint8 of other scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from support.movement import DTYPES, QUANT
from support.tflite_builder import ModelBuilder
from support.three_way import Case


def concatenation(
    shape: Sequence[int],
    lengths: Sequence[int],
    axis: int,
    dtype: str = "int8",
    constants: Sequence[int] = (),
    repeat: int = 1,
    quants: Sequence[Mapping[str, Any]] | None = None,
    y_quant: Mapping[str, Any] | None = None,
    through_relu: bool = False,
) -> bytes:
    """Inputs that are ``shape`` with ``lengths`` along ``axis``; those in ``constants`` hold data."""
    rng = np.random.default_rng(5)
    quant = QUANT.get(dtype, {})
    b = ModelBuilder()
    names, inputs = [], []
    for i, length in enumerate(lengths):
        s = list(shape)
        s[axis] = length
        q = quant if quants is None else quants[i]
        if i in constants:
            b.tensor(f"k{i}", s, dtype, **q, data=rng.integers(0, 2, s))
            names.append(f"k{i}")
            continue
        b.tensor(f"x{i}", s, dtype, **q)
        inputs.append(f"x{i}")
        if through_relu:
            b.tensor(f"r{i}", s, dtype, **q).op("RELU", [f"x{i}"], [f"r{i}"])
        names.append(f"r{i}" if through_relu else f"x{i}")
    y = list(shape)
    y[axis] = sum(lengths) * repeat
    b.tensor("y", y, dtype, **(quant if y_quant is None else y_quant))
    b.op("CONCATENATION", names * repeat, ["y"], options={"axis": axis})
    return b.inputs(inputs).outputs(["y"]).build()


def _scaled(name: str, quants: Sequence[tuple[float, int]], y: tuple[float, int], quick: bool = False) -> Case:
    """uint8 inputs with all 256 values."""
    values = np.arange(256, dtype=np.uint8)[None]
    build = partial(
        concatenation,
        (1, 256),
        [256] * len(quants),
        1,
        "uint8",
        quants=[{"scale": s, "zero_point": z} for s, z in quants],
        y_quant={"scale": y[0], "zero_point": y[1]},
    )
    return Case(name, build, inputs=[[values] * len(quants)], quick=quick)


CASES = [
    *(Case(t, partial(concatenation, (2, 3, 4), (1, 3, 2), 1, t), quick=t in ("int8", "float32")) for t in DTYPES),
    *(Case(f"axis {a}", partial(concatenation, (2, 3, 2, 3), (1, 2), a)) for a in range(-4, 4)),
    Case("one input", partial(concatenation, (2, 3), (3,), 1)),
    Case("ten inputs", partial(concatenation, (3, 1), range(1, 11), 1), quick=True),
    Case("constants", partial(concatenation, (2, 1, 3), (2, 1, 3), 1, constants=(0, 2))),
    Case("the same input twice", partial(concatenation, (2, 3), (3, 2), 1, repeat=2)),
    Case("inputs that are computed", partial(concatenation, (1, 4, 4, 2), (2, 3, 1), 3, through_relu=True)),
    Case("inputs that are computed, rows", partial(concatenation, (1, 4, 4, 2), (2, 3, 1), 1, through_relu=True)),
    Case("rank 1", partial(concatenation, (1,), (3, 4), 0)),
    Case("rank 7", partial(concatenation, (2,) * 7, (1, 2), 3)),
    _scaled("uint8 same scales", [(0.5, 3), (0.5, 3)], (0.5, 3)),
    _scaled("uint8 rescaled", [(0.5, 3), (0.31, 200)], (0.45, 100), quick=True),
    _scaled("uint8 one rescaled", [(0.5, 3), (0.25, 3)], (0.5, 3)),
    _scaled("uint8 halves", [(0.5, 0), (0.25, 128)], (1.0, 7)),
    _scaled("uint8 saturates", [(3.0, 128), (1e-3, 0)], (0.01, 128)),
]
