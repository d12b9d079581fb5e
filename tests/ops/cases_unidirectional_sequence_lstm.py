"""UNIDIRECTIONAL_SEQUENCE_LSTM: sizes, batches, orders of time, scales; the states live on from sample to sample."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from support.tflite_builder import ModelBuilder
from support.three_way import Case

_GATES = ("input", "forget", "update", "output")
SAMPLES = 3


def _build(
    dtype: str = "int8",
    batch: int = 1,
    steps: int = 4,
    inputs: int = 6,
    units: int = 5,
    time_major: bool = False,
    cell_clip: float = 0.0,
    cell_log2: int = -11,
    x_quant: tuple[float, int] = (0.02, 5),
    hidden_quant: tuple[float, int] = (1 / 128, -3),
    weight_scale: float = 0.01,
) -> bytes:
    """One layer with random weights."""
    rng = np.random.default_rng(8)
    real = dtype == "float32"
    b = ModelBuilder()

    def quant(scale: float, zero_point: int = 0) -> dict[str, Any]:
        return {} if real else {"scale": scale, "zero_point": zero_point}

    shape = (steps, batch) if time_major else (batch, steps)
    b.tensor("x", (*shape, inputs), dtype, **quant(*x_quant))
    names: list[str | None] = ["x"]
    for kind, columns in (("w", inputs), ("r", units)):
        for i, gate in enumerate(_GATES):
            size = (units, columns)
            data = rng.normal(size=size) if real else rng.integers(-127, 128, size)
            b.tensor(f"{kind}_{gate}", size, dtype, data=data, **quant(weight_scale * (1 + 0.1 * i)))
            names.append(f"{kind}_{gate}")
    names += [None] * 3
    for gate in _GATES:
        data = rng.normal(size=units) if real else rng.integers(-5000, 5000, units)
        b.tensor(f"b_{gate}", (units,), dtype if real else "int32", data=data)
        names.append(f"b_{gate}")
    names += [None] * 2
    b.tensor("hidden", (batch, units), dtype, variable=True, **quant(*hidden_quant))
    b.tensor("cell", (batch, units), dtype if real else "int16", variable=True, **quant(2.0**cell_log2))
    names += ["hidden", "cell"]
    names += [None] * 4
    b.tensor("y", (*shape, units), dtype, **quant(*hidden_quant))
    for i in range(0 if real else 5):
        last = i == 4
        b.tensor(f"inner{i}", (), "int8" if last else "int16", **quant(*(hidden_quant if last else (2.0**-12, 0))))
    options = {"fused_activation_function": "tanh", "cell_clip": cell_clip, "proj_clip": 0.0, "time_major": time_major}
    inner = [] if real else [f"inner{i}" for i in range(5)]
    b.op("UNIDIRECTIONAL_SEQUENCE_LSTM", names, ["y"], options=options, intermediates=inner)
    return b.inputs(["x"]).outputs(["y"]).build()


def _case(name: str, quick: bool = False, **more: Any) -> Case:
    batch, steps, inputs = more.get("batch", 1), more.get("steps", 4), more.get("inputs", 6)
    shape = (steps, batch, inputs) if more.get("time_major") else (batch, steps, inputs)
    rng = np.random.default_rng(9)
    if more.get("dtype") == "float32":
        samples = [[rng.normal(size=shape).astype(np.float32)] for _ in range(SAMPLES)]
    else:
        samples = [[rng.integers(-128, 128, shape).astype(np.int8)] for _ in range(SAMPLES)]
    return Case(name, partial(_build, **more), samples, quick=quick)


_SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "batch 3": {"batch": 3},
    "time major, batch 2": {"batch": 2, "time_major": True},
    "time major": {"time_major": True},
    "one step": {"steps": 1},
    "one unit": {"units": 1, "inputs": 1},
    "long": {"steps": 40, "units": 9, "inputs": 3},
    "clipped": {"cell_clip": 0.4},
}

CASES = [
    *(
        _case(f"{t} {name}", dtype=t, quick=name in ("plain", "time major, batch 2"), **shape)
        for t in ("int8", "float32")
        for name, shape in _SHAPES.items()
    ),
    *(_case(f"int8 cell 2^{n}", cell_log2=n, steps=20) for n in range(-15, -8)),
    *(_case(f"int8 weights {s}", weight_scale=s, steps=20, units=12) for s in (1e-4, 0.001, 0.05, 0.5)),
    *(
        _case(f"int8 zero points {x} {h}", x_quant=(0.02, x), hidden_quant=(1 / 128, h))
        for x, h in ((-128, -128), (127, 127), (0, 0))
    ),
    _case("int8 hidden scale", hidden_quant=(0.003, 10), steps=10),
]
