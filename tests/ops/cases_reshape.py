"""RESHAPE: shapes from the tensor and from the options, -1, element types."""

from __future__ import annotations

from functools import partial

from support.movement import DTYPES, movement
from support.tflite_builder import ModelBuilder
from support.three_way import Case


def constant_input() -> bytes:
    """A constant is reshaped into an output of the model: nothing to share storage with, so it is copied."""
    b = ModelBuilder()
    b.tensor("x", (2, 3), "int8", scale=0.5)
    b.tensor("k", (2, 3), "int8", scale=0.5, data=[[1, -2, 3], [-4, 5, -128]])
    b.tensor("shape", (1,), "int32", data=[6])
    b.tensor("a", (6,), "int8", scale=0.5).tensor("y", (6,), "int8", scale=0.5)
    b.op("RESHAPE", ["k", "shape"], ["a"]).op("RESHAPE", ["x", "shape"], ["y"])
    return b.inputs(["x"]).outputs(["a", "y"]).build()


def chain() -> bytes:
    """A reshape between two operators that compute."""
    b = ModelBuilder()
    b.tensor("x", (2, 6), "int8", scale=0.5).tensor("shape", (2,), "int32", data=[4, 3])
    b.tensor("a", (2, 6), "int8", scale=0.5).tensor("b", (4, 3), "int8", scale=0.5).tensor(
        "y", (4, 3), "int8", scale=0.5
    )
    b.op("RELU", ["x"], ["a"]).op("RESHAPE", ["a", "shape"], ["b"]).op("RELU6", ["b"], ["y"])
    return b.inputs(["x"]).outputs(["y"]).build()


CASES = [
    *(Case(t, partial(movement, "RESHAPE", (2, 3, 4), (4, 6), [4, 6], dtype=t), quick=t == "int8") for t in DTYPES),
    Case("-1", partial(movement, "RESHAPE", (2, 3, 4), (3, 8), [3, -1])),
    Case("-1 of one", partial(movement, "RESHAPE", (2, 3), (2, 3, 1), [2, 3, -1])),
    Case("options", partial(movement, "RESHAPE", (2, 6), (3, 4), options={"new_shape": [3, -1]})),
    Case("options and tensor", partial(movement, "RESHAPE", (2, 6), (3, 4), [3, 4], options={"new_shape": [12, 1]})),
    Case("to a scalar", partial(movement, "RESHAPE", (1, 1), (), options={"new_shape": [0]})),
    Case(
        "from a scalar", partial(movement, "RESHAPE", (), (1, 1), [1, 1]), oracle=False
    ),  # its Python API sets no scalars
    Case(
        "shape of two axes: options",
        partial(movement, "RESHAPE", (2, 3), (6, 1), [[3, 2]], options={"new_shape": [6, 1]}),
    ),
    Case(
        "int64 shape: options",
        partial(movement, "RESHAPE", (2, 3), (6, 1), [3, 2], index_type="int64", options={"new_shape": [6, 1]}),
    ),
    Case("other scale", partial(movement, "RESHAPE", (2, 3), (6,), [6], y_quant={"scale": 0.25, "zero_point": 3})),
    Case("rank 8", partial(movement, "RESHAPE", (2,) * 8, (16, 16), [16, 16])),
    Case("constant input", constant_input, quick=True),
    Case("between operators", chain),
]
