"""Kernels for two 16-bit multiplications per instruction: every tail, random shapes, and that short forms are exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcu_gen.frontends import load_tflite
from mcu_gen.kernels import dsp_add, kernels
from mcu_gen.ops.binary import sum_scaling
from mcu_gen.ops.fixed_point import requant_double
from mcu_gen.plan.planner import make_plan
from mcu_gen.targets import Target, list_targets, load_target
from support.emulated import run_on_core
from support.images import convolution
from support.tflite_builder import ModelBuilder
from support.three_way import Build, Case, Prepared, prefer, prepare, run_generated_c

HOST = Target("host", features=frozenset({"dsp"}))
CORES = [t.name for t in list_targets() if "qemu" in t.emulators and "dsp" in t.features]
NAMES = sorted(k.name for k in kernels() if "dsp" in k.features)


def addition(
    size: int, scales: tuple[float, float, float], zero_points: tuple[int, int, int], activation: str
) -> bytes:
    """ADD of two vectors."""
    b = ModelBuilder()
    for name, scale, zero in zip("aby", scales, zero_points, strict=True):
        b.tensor(name, (1, size), "int8", scale=scale, zero_point=zero)
    b.op("ADD", ["a", "b"], ["y"], options={"fused_activation_function": activation})
    return b.inputs(["a", "b"]).outputs(["y"]).build()


def fully_connected(rows: int, depth: int, channels: int, seed: int) -> bytes:
    """FULLY_CONNECTED of random weights."""
    rng = np.random.default_rng(seed)
    b = ModelBuilder().tensor("x", (rows, depth), "int8", scale=0.1, zero_point=-7)
    b.tensor("w", (channels, depth), "int8", scale=0.02, data=rng.integers(-127, 128, (channels, depth)))
    b.tensor("b", (channels,), "int32", scale=0.002, data=rng.integers(-9000, 9000, channels))
    b.tensor("y", (rows, channels), "int8", scale=0.15 * np.sqrt(depth), zero_point=4)
    options = {
        "fused_activation_function": "none",
        "weights_format": "default",
        "keep_num_dims": False,
        "asymmetric_quantize_inputs": False,
    }
    b.op("FULLY_CONNECTED", ["x", "w", "b"], ["y"], options=options)
    return b.inputs(["x"]).outputs(["y"]).build()


def _tails() -> list[Case]:
    """Every remainder of channels, depth, taps, pixels and lengths, and one beyond a full block."""
    cases: list[Case] = []

    def add(name: str, build: Callable[..., bytes], *args: Any, **options: Any) -> None:
        cases.append(Case(f"{name} {args} {options}", partial(build, *args, **options)))

    for depth in range(1, 6):
        add("depth", convolution, x=(1, 1, 4, depth), channels=3, filter=(1, 1), x_zero_point=-128)
    for depth in (8, 12, 16, 20, 31):  # the loop is entered at each of its four steps
        add("steps", convolution, x=(1, 1, 3, depth), channels=2, filter=(1, 1))
    for pixels in range(1, 5):
        for channels in range(1, 4):
            add("block", convolution, x=(1, 1, pixels, 4), channels=channels, filter=(1, 1), activation="relu6")
    for width in range(1, 6):  # rows of windows that end in the middle of a word
        add("row", convolution, x=(1, 6, 7, 1), channels=3, filter=(2, width))
        add("row of 3", convolution, x=(1, 5, 8, 3), channels=2, filter=(2, width), padding="valid", stride=(1, 2))
    for channels in range(4, 9):
        add("depthwise", convolution, depthwise=True, x=(1, 4, 5, channels), channels=channels, x_zero_point=127)
    for taps in range(1, 12):
        add("taps", convolution, depthwise=True, x=(1, 1, 13, 4), channels=4, filter=(1, taps), padding="valid")
    for size in range(1, 5):
        add("add", addition, size, (0.02, 0.05, 0.06), (-128, 127, 3), "relu")
    for depth in range(1, 10):
        add("vector", fully_connected, 2, depth, 5, depth)
    for channels in range(1, 6):
        add("rows", fully_connected, 1, 7, channels, channels)
        add("rows of words", fully_connected, 1, 4 * channels, channels, channels)
    return cases


def _random(seed: int, count: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    cases = []
    for n in range(count):
        depthwise = bool(rng.random() < 0.4)
        depth = int(rng.integers(4 if depthwise else 1, 20))
        channels = depth if depthwise else int(rng.integers(1, 9))
        zero_points = (int(z) for z in rng.integers(-128, 128, 2))
        options: dict[str, Any] = {
            "x": (int(rng.integers(1, 3)), int(rng.integers(1, 10)), int(rng.integers(1, 10)), depth),
            "channels": channels,
            "depthwise": depthwise,
            "filter": (int(rng.integers(1, 6)), int(rng.integers(1, 6))),
            "stride": (int(rng.integers(1, 4)), int(rng.integers(1, 4))),
            "dilation": (int(rng.integers(1, 3)), int(rng.integers(1, 3))),
            "activation": ("none", "relu", "relu6")[int(rng.integers(3))],
            "x_zero_point": next(zero_points),
            "y_zero_point": next(zero_points),
            "seed": n,
        }
        cases.append(Case(f"{n} {options}", partial(convolution, **options)))
    return cases


@pytest.fixture(scope="module")
def ready() -> list[Prepared]:
    found, failures = prepare([*_tails(), *_random(3, 24)])
    assert not failures, failures
    return found


def _builds(ready: Sequence[Prepared], target: Target) -> list[Build]:
    """Every case with each kernel of this instruction set that serves it, whether or not a core has a faster one."""
    builds: list[Build] = []
    for p in ready:
        (node,) = p.graph.nodes()
        for k in kernels():
            if k.name in NAMES and node.type in k.ops and k.rejects(node, target) is None:
                plan = make_plan(p.graph, target, select=prefer(k))
                builds.append(Build(f"{p.case.name} [{k.name}]", f"n{len(builds)}", p, plan))
    served = {b.prepared.case.name for b in builds}
    assert served == {p.case.name for p in ready}, "cases that no kernel takes"
    missing = set(NAMES) - {s.kernel.name for b in builds for s in b.plan.steps}
    assert not missing, f"no case reaches {sorted(missing)}"
    return builds


def test_tails_and_random_shapes_on_the_host(ready: list[Prepared], tmp_path: Path) -> None:
    failures = run_generated_c(tmp_path, _builds(ready, HOST))
    assert not failures, "\n".join(f"{case}: {text}" for case, text in failures.items())


@pytest.mark.qemu
@pytest.mark.parametrize("board", CORES)
def test_tails_and_random_shapes_on_the_core(board: str, ready: list[Prepared], tmp_path: Path) -> None:
    target = load_target(board)
    failures = run_on_core(tmp_path, _builds(ready, target), target)
    assert not failures, "\n".join(f"{case}: {text}" for case, text in failures.items())


def test_short_scaling_is_the_reference() -> None:
    """``mg_requant_s8`` as NumPy, against the scaling in two roundings: random sums, and sums around every tie."""
    rng = np.random.default_rng(1)
    for _ in range(300):
        multiplier, n, zero = (
            int(rng.integers(1 << 30, 1 << 31)),
            int(rng.integers(1, 32)),
            int(rng.integers(-128, 128)),
        )
        ties = ((np.arange(-300, 300) + 0.5) * 2.0 ** (31 + n) / multiplier).astype(np.int64)
        sums = np.concatenate([rng.integers(-(1 << 30) + 1, 1 << 30, 2000), *(ties + d for d in range(-3, 4))])
        sums = sums[np.abs(sums) < 1 << 30]
        want = np.clip(requant_double(sums, multiplier, -n) + zero, -128, 127)
        high = ((2 * sums * multiplier + (1 << 31)) >> 32) - (sums < 0)
        got = np.clip(((high >> (n - 1)) + 2 * zero + 1) >> 1, -128, 127)
        assert np.array_equal(want, got), (multiplier, n, zero)


def test_short_addition_is_the_reference() -> None:
    """``mg_add_s8`` as NumPy, against the reference in its own order, for all pairs of inputs."""
    rng = np.random.default_rng(2)
    (kernel,) = (k for k in kernels() if k.name == "add_s8_dsp")
    a, b = (x.reshape(-1).astype(np.int64) for x in np.meshgrid(np.arange(-128, 128), np.arange(-128, 128)))
    taken = 0
    for n in range(60):
        scales = [float(s) for s in 2.0 ** rng.uniform(-6, 0, 3)]
        if n % 6 == 0:
            scales[1] = scales[0]
        if n % 6 == 1:
            scales[1] = scales[0] / 2 ** int(rng.integers(1, 4))
        zero = [int(z) for z in rng.integers(-128, 128, 3)]
        model = addition(1, (scales[0], scales[1], scales[2]), (zero[0], zero[1], zero[2]), "none")
        (node,) = load_tflite(model, "add").nodes()
        if kernel.rejects(node, HOST) is not None:
            continue
        taken += 1
        s = sum_scaling(node)
        parts = [
            requant_double((x - t.zp) << s.left_shift, *factor)
            for x, t, factor in zip((a, b), (node.input(0), node.input(1)), s.inputs, strict=True)
        ]
        want = np.clip(requant_double(parts[0] + parts[1], *s.output) + node.y.zp, -128, 127)
        f = dsp_add.fields(node)
        x0, x1 = (a, b) if dsp_add.larger(node) == 0 else (b, a)
        small = (x1 - f["zero_point1"]) << 21
        scaled = ((small * f["multiplier1"] + (1 << 31)) >> 32) + f["round1"] - (small < 0)
        t = 2 * ((scaled >> f["shift1"]) + (x0 << 19))
        total = ((t * f["multiplier"] + (1 << 31)) >> 32) + f["round"] - (t < 0)
        for word in (small, scaled, t, total):
            assert np.abs(word).max() < 1 << 31
        assert np.array_equal(want, np.clip(total >> f["shift"], -128, 127)), (scales, zero)
    assert taken >= 30


def test_scales_and_sums_that_the_short_scaling_cannot_take_are_refused() -> None:
    (kernel,) = (k for k in kernels() if k.name == "conv2d_s8_dsp")
    options: dict[str, Any] = {"x": (1, 3, 3, 4), "channels": 2, "per_channel": False}
    for more, word in [
        ({"y_scale": 0.0005}, "scale"),
        ({"bias_values": np.array([0, (1 << 30) + 1])}, "sums"),
        ({"bias_values": np.array([0, -(1 << 31)])}, "sums"),
    ]:
        (node,) = load_tflite(convolution(**options, **more), "conv").nodes()
        why = kernel.rejects(node, HOST)
        assert why is not None
        assert word in why
    (node,) = load_tflite(convolution(**options), "conv").nodes()
    assert kernel.rejects(node, HOST) is None
