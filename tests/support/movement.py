"""Models of one data-movement operator, for the tables of cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from support.tflite_builder import ModelBuilder

#: Element types that data-movement operators take, and their quantization in the tables.
QUANT: dict[str, dict[str, Any]] = {
    "int8": {"scale": 0.5, "zero_point": -7},
    "uint8": {"scale": 0.5, "zero_point": 9},
    "int16": {"scale": 0.5, "zero_point": 0},
}
DTYPES = ("int8", "uint8", "int16", "int32", "int64", "float32", "bool")


def movement(
    op: str,
    x: Sequence[int],
    y: Sequence[int],
    *constants: Any,
    dtype: str = "int8",
    options: Mapping[str, Any] | None = None,
    index_type: str = "int32",
    x_quant: Mapping[str, Any] | None = None,
    y_quant: Mapping[str, Any] | None = None,
) -> bytes:
    """A model that is one operator: input of shape ``x``, constant arguments, output of shape ``y``."""
    b = ModelBuilder()
    b.tensor("x", x, dtype, **(QUANT.get(dtype, {}) if x_quant is None else x_quant))
    names: list[str | None] = ["x"]
    for i, value in enumerate(constants):
        array = np.asarray(value, index_type)
        b.tensor(f"argument{i}", array.shape, index_type, data=array)
        names.append(f"argument{i}")
    b.tensor("y", y, dtype, **(QUANT.get(dtype, {}) if y_quant is None else y_quant))
    b.op(op, names, ["y"], options=options)
    return b.inputs(["x"]).outputs(["y"]).build()


def shape_after(x: Sequence[int], subscript: Any) -> tuple[int, ...]:
    """Shape of ``x[subscript]`` in NumPy."""
    return np.empty(tuple(x), np.int8)[subscript].shape
