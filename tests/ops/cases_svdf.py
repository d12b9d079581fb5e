"""SVDF over several inferences: ranks, memories, batches, scales; the state lives on from sample to sample."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from support.tflite_builder import ModelBuilder
from support.three_way import Case

STEPS = 7


def _build(
    dtype: str = "int8",
    batch: int = 1,
    inputs: int = 9,
    units: int = 4,
    rank: int = 2,
    memory: int = 5,
    bias: bool = True,
    activation: str | None = None,
    zero_points: tuple[int, int] = (3, -5),
    scales: tuple[float, float, float, float, float] = (0.05, 0.01, 0.001, 2e-4, 0.02),
) -> bytes:
    """``scales`` of input, features, state, times and output."""
    rng = np.random.default_rng(6)
    real = dtype == "float32"
    kind = {name: "float32" if real else t for name, t in (("t", "int16"), ("b", "int32"))}
    filters = units * rank

    def quant(i: int, zero_point: int = 0) -> dict[str, Any]:
        return {} if real else {"scale": scales[i], "zero_point": zero_point}

    def data(shape: tuple[int, ...], limit: int) -> np.ndarray:
        return rng.normal(size=shape) if real else rng.integers(-limit, limit, shape)

    b = ModelBuilder()
    b.tensor("x", (batch, inputs), dtype, **quant(0, zero_points[0]))
    b.tensor("features", (filters, inputs), dtype, data=data((filters, inputs), 127), **quant(1))
    b.tensor("times", (filters, memory), kind["t"], data=data((filters, memory), 30000), **quant(3))
    if bias:
        b.tensor("bias", (units,), kind["b"], data=data((units,), 100000))
    b.tensor("state", (batch, filters * memory), kind["t"], variable=True, **quant(2))
    b.tensor("y", (batch, units), dtype, **quant(4, zero_points[1]))
    names = ["x", "features", "times", "bias" if bias else None, "state"]
    activation = activation or ("none" if real else "relu")
    b.op("SVDF", names, ["y"], options={"rank": rank, "fused_activation_function": activation})
    return b.inputs(["x"]).outputs(["y"]).build()


def _case(name: str, quick: bool = False, **more: Any) -> Case:
    shape = (more.get("batch", 1), more.get("inputs", 9))
    rng = np.random.default_rng(7)
    if more.get("dtype") == "float32":
        samples = [[rng.normal(size=shape).astype(np.float32)] for _ in range(STEPS)]
    else:
        samples = [[rng.integers(-128, 128, shape).astype(np.int8)] for _ in range(STEPS)]
    return Case(name, partial(_build, **more), samples, quick=quick)


_SHAPES: dict[str, dict[str, Any]] = {
    "rank 2": {},
    "rank 1": {"rank": 1},
    "rank 3": {"rank": 3, "units": 2},
    "memory 1": {"memory": 1},
    "memory longer than the run": {"memory": 11},
    "batch 3": {"batch": 3},
    "no bias": {"bias": False},
    "one of everything": {"inputs": 1, "units": 1, "rank": 1, "memory": 1},
}

CASES = [
    *(
        _case(f"{t} {name}", dtype=t, quick=name in ("rank 2", "batch 3"), **shape)
        for t in ("int8", "float32")
        for name, shape in _SHAPES.items()
    ),
    *(_case(f"int8 zero points {z}", zero_points=z) for z in ((-128, -128), (127, 127), (-128, 127))),
    _case("int8 state saturates", scales=(0.05, 0.01, 1e-6, 2e-4, 0.02)),
    _case("int8 output saturates", scales=(0.05, 0.01, 0.001, 2e-4, 1e-6)),
    *(_case(f"float32 {a}", dtype="float32", activation=a) for a in ("relu", "relu6")),
]
