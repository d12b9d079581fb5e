"""float32 layers in blocks of channels and pixels give the bits of one channel at a time.

A network computes a layer as a whole and channel by channel, and subtracts: every output is exactly 0 on the
development machine and on the cores, whatever block an output is part of.  That the layers compute the right numbers
is what the tables of the operators show.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcu_gen.plan.planner import make_plan
from mcu_gen.targets import Target, load_target
from support.emulated import run_on_core
from support.tflite_builder import ModelBuilder
from support.three_way import Build, Case, Prepared, prepare, run_generated_c


def whole_less_parts(
    *,
    x: tuple[int, int, int, int],
    y: tuple[int, int],
    channels: int,
    filter: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: str = "same",
    depthwise: bool = False,
    seed: int = 0,
) -> bytes:
    """CONV_2D, or DEPTHWISE_CONV_2D with one filter per channel, minus the same channel by channel."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(1, *filter, channels) if depthwise else (channels, *filter, x[3])).astype(np.float32)
    bias = rng.normal(size=channels).astype(np.float32)
    out = (x[0], *y)
    builtin = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    options: dict[str, Any] = {
        "padding": padding,
        "stride_h": stride[0],
        "stride_w": stride[1],
        "dilation_h_factor": dilation[0],
        "dilation_w_factor": dilation[1],
        "fused_activation_function": "none",
    } | ({"depth_multiplier": 1} if depthwise else {})
    b = ModelBuilder().tensor("x", x, "float32").tensor("w", w.shape, "float32", data=w)
    b.tensor("b", (channels,), "float32", data=bias).tensor("y", (*out, channels), "float32")
    b.op(builtin, ["x", "w", "b"], ["y"], options=options)
    b.tensor("size", (4,), "int32", data=np.array([*x[:3], 1]))
    for c in range(channels):
        part = w[..., c : c + 1] if depthwise else w[c : c + 1]
        source = f"x{c}" if depthwise else "x"
        if depthwise:
            b.tensor(f"at{c}", (4,), "int32", data=np.array([0, 0, 0, c])).tensor(source, (*x[:3], 1), "float32")
            b.op("SLICE", ["x", f"at{c}", "size"], [source])
        b.tensor(f"w{c}", part.shape, "float32", data=part).tensor(f"b{c}", (1,), "float32", data=bias[c : c + 1])
        b.tensor(f"y{c}", (*out, 1), "float32").op(builtin, [source, f"w{c}", f"b{c}"], [f"y{c}"], options=options)
    return _difference(b, channels, (*out, channels))


def dense_whole_less_parts(*, rows: int, depth: int, channels: int, seed: int = 0) -> bytes:
    """FULLY_CONNECTED minus the same channel by channel."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(channels, depth)).astype(np.float32)
    bias = rng.normal(size=channels).astype(np.float32)
    b = ModelBuilder().tensor("x", (rows, depth), "float32").tensor("w", w.shape, "float32", data=w)
    b.tensor("b", (channels,), "float32", data=bias).tensor("y", (rows, channels), "float32")
    options = {"fused_activation_function": "none", "keep_num_dims": False}
    b.op("FULLY_CONNECTED", ["x", "w", "b"], ["y"], options=options)
    for c in range(channels):
        b.tensor(f"w{c}", (1, depth), "float32", data=w[c : c + 1])
        b.tensor(f"b{c}", (1,), "float32", data=bias[c : c + 1]).tensor(f"y{c}", (rows, 1), "float32")
        b.op("FULLY_CONNECTED", ["x", f"w{c}", f"b{c}"], [f"y{c}"], options=options)
    return _difference(b, channels, (rows, channels))


def _difference(b: ModelBuilder, channels: int, shape: tuple[int, ...]) -> bytes:
    """y minus y0, y1... side by side."""
    b.tensor("parts", shape, "float32").tensor("d", shape, "float32")
    parts = [f"y{c}" for c in range(channels)]
    options = {"axis": len(shape) - 1, "fused_activation_function": "none"}
    b.op("CONCATENATION", parts, ["parts"], options=options)
    b.op("SUB", ["y", "parts"], ["d"], options={"fused_activation_function": "none"})
    return b.inputs(["x"]).outputs(["d"]).build()


#: Channels around a block and two of them, odd and even rows, windows that leave the image, holes, steps.
SHAPES: list[dict[str, Any]] = [
    *({"x": (1, 3, 5, 3), "y": (3, 5), "channels": c, "filter": (3, 3)} for c in range(2, 10)),
    *({"x": (1, 2, n, 2), "y": (2, n), "channels": 5, "filter": (1, 1)} for n in range(1, 6)),
    *({"x": (2, 4, 7, c), "y": (4, 7), "channels": c, "filter": (3, 3), "depthwise": True} for c in range(2, 10)),
    {"x": (2, 7, 9, 4), "y": (4, 5), "channels": 6, "filter": (3, 3), "stride": (2, 2)},
    {"x": (1, 6, 9, 3), "y": (2, 7), "channels": 4, "filter": (5, 3), "padding": "valid"},
    {"x": (1, 7, 9, 2), "y": (7, 9), "channels": 5, "filter": (3, 3), "dilation": (2, 3)},
    {"x": (1, 7, 9, 6), "y": (7, 9), "channels": 6, "filter": (3, 2), "dilation": (2, 3), "depthwise": True},
    {"x": (1, 9, 8, 5), "y": (5, 4), "channels": 5, "filter": (3, 4), "stride": (2, 2), "depthwise": True},
    {"x": (1, 1, 1, 4), "y": (1, 1), "channels": 4, "filter": (3, 3)},
]


@pytest.fixture(scope="module")
def ready() -> list[Prepared]:
    cases = [
        Case(f"{n} {options}", partial(whole_less_parts, seed=n, **options), oracle=False, tolerance=0.0)
        for n, options in enumerate(SHAPES)
    ]
    cases += [
        Case(
            f"dense to {n}",
            partial(dense_whole_less_parts, rows=1 + n % 2, depth=3 + n, channels=n, seed=n),
            oracle=False,
            tolerance=0.0,
        )
        for n in range(2, 10)
    ]
    found, failures = prepare(cases)
    assert not failures, failures
    for p in found:
        p.expected = [[np.zeros_like(a) for a in sample] for sample in p.expected]
    return found


def builds(ready: list[Prepared], target: Target) -> list[Build]:
    """One build per case."""
    return [Build(p.case.name, f"n{i}", p, make_plan(p.graph, target)) for i, p in enumerate(ready)]


def test_on_the_host(ready: list[Prepared], tmp_path: Path) -> None:
    failures = run_generated_c(tmp_path, builds(ready, Target("host")))
    assert not failures, "\n".join(f"{case}: {text}" for case, text in failures.items())


@pytest.mark.qemu
@pytest.mark.parametrize("board", ["mps2_an386", "mps3_an547"])
def test_on_the_core(board: str, ready: list[Prepared], tmp_path: Path) -> None:
    target = load_target(board)
    failures = run_on_core(tmp_path, builds(ready, target), target)
    assert not failures, "\n".join(f"{case}: {text}" for case, text in failures.items())
