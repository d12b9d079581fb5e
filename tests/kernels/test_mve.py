"""Kernels for MVE: bit for bit what LiteRT computes, in plain C on the host and in vectors on the emulated core.

The tables hold every length of a tail from 1 to one more than the lanes, and random shapes; a kernel of this
instruction set that no case runs on the core fails the last test.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcu_gen.kernels import Kernel, kernels
from mcu_gen.plan.planner import make_plan
from mcu_gen.targets import Target, load_target
from ops.cases_fully_connected import fully_connected
from support.emulated import run_on_core, toolchain_command
from support.images import convolution
from support.sums import case
from support.three_way import Build, Case, Prepared, prefer, prepare, run_generated_c

BOARD = "mps3_an547"
HOST = Target("host", features=frozenset({"mve"}))
MVE = [k for k in kernels() if "mve" in k.features]


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def convolutions() -> Iterator[Case]:
    """1x1 and windows; depths and channels around 4, 16 and their multiples; sums at the ends of the range."""
    for n in range(1, 18):
        x = (1, 1 + n % 3, 2 + n % 4, n)
        yield Case(f"1x1 depth {n}", partial(convolution, x=x, channels=1 + n % 6, filter=(1, 1)))
        yield Case(
            f"1x1 to {n} channels",
            partial(convolution, x=(1, 2, 3, 5), channels=n, filter=(1, 1), activation=("none", "relu")[n % 2]),
        )
        yield Case(
            f"3x2 depth {n}",
            partial(convolution, x=(1, 4, 5, n), channels=1 + n % 5, filter=(3, 2), padding="same", seed=n),
        )
    rng = _rng(3)
    for n in range(24):
        taps = (int(rng.integers(1, 6)), int(rng.integers(1, 6)))
        size = (int(rng.integers(1, 3)), int(rng.integers(5, 11)), int(rng.integers(5, 11)), int(rng.integers(1, 35)))
        options: dict[str, Any] = {
            "channels": int(rng.integers(1, 12)),
            "stride": (int(rng.integers(1, 4)), int(rng.integers(1, 4))),
            "padding": ("same", "valid")[n % 2],
            "activation": ("none", "relu", "relu6", "relu_n1_to_1")[n % 4],
            "dilation": (1 if n % 3 else min(2, taps[0]), 1),
            "x_zero_point": (-128, 3, 127)[n % 3],
            "seed": n,
        }
        if options["dilation"][0] > 1:
            options["stride"] = (1, 1)
            taps = (min(taps[0], 3), taps[1])
        yield Case(f"random {n}: {size} taps {taps} {options}", partial(convolution, x=size, filter=taps, **options))
    for scale in (0.0005, 0.00002, 40.0):
        yield Case(
            f"output scale {scale}", partial(convolution, x=(1, 3, 3, 20), channels=9, filter=(1, 1), y_scale=scale)
        )
    yield Case("strip in parts", partial(convolution, x=(1, 4, 61, 24), channels=5, filter=(3, 3), padding="same"))
    yield Case(
        "strip in parts, stride", partial(convolution, x=(1, 5, 61, 24), channels=5, filter=(3, 3), stride=(2, 2))
    )


def depthwise() -> Iterator[Case]:
    """Windows of one to four vectors; runs, channels and rows around 4 and 8; multipliers; holes between taps."""
    rng = _rng(4)
    for n in range(1, 18):
        size = (1, 2 + n % 7, 3 + n % 9, n)
        yield Case(
            f"3x3 {n} channels",
            partial(convolution, depthwise=True, x=size, channels=n, filter=(3, 3), padding="same", activation=_act(n)),
        )
        yield Case(
            f"3x3 {n} columns",
            partial(convolution, depthwise=True, x=(1, 5, n, 3), channels=3, filter=(3, 3), padding="same", seed=n),
        )
        yield Case(
            f"3x3 {n} rows, stride 2",
            partial(
                convolution, depthwise=True, x=(1, n, 6, 9), channels=9, filter=(3, 3), padding="same", stride=(2, 2)
            ),
        )
    for n in range(30):
        taps = (int(rng.integers(1, 8)), int(rng.integers(1, 8)))
        depth, multiplier = int(rng.integers(1, 20)), int(rng.integers(1, 4))
        size = (1 + n % 2, int(rng.integers(7, 13)), int(rng.integers(7, 13)), depth)
        holes = n % 5 == 0
        options: dict[str, Any] = {
            "channels": depth * multiplier,
            "stride": (1, 1) if holes else (int(rng.integers(1, 4)), int(rng.integers(1, 4))),
            "dilation": (2, 2) if holes else (1, 1),
            "padding": ("same", "valid")[n % 2] if not holes else "same",
            "activation": _act(n),
            "x_zero_point": (-128, 3, 127)[n % 3],
            "seed": n,
        }
        taps = (min(taps[0], 3), min(taps[1], 3)) if holes else taps
        yield Case(
            f"random {n}: {size} taps {taps} {options}",
            partial(convolution, depthwise=True, x=size, filter=taps, **options),
        )
    for scale in (0.0005, 0.00002, 40.0):
        small = partial(convolution, depthwise=True, x=(1, 6, 6, 9), channels=9, filter=(3, 3), y_scale=scale)
        yield Case(f"output scale {scale}", small)
    wide = partial(convolution, depthwise=True, x=(1, 5, 70, 40), channels=40, filter=(3, 3), padding="same")
    yield Case("channels in groups", wide)


def _act(n: int) -> str:
    return ("none", "relu", "relu6", "relu_n1_to_1")[n % 4]


def sums() -> Iterator[Case]:
    """All pairs of codes for several scales; every length of a tail."""
    pairs = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128, 5), indexing="ij")
    every = [[p.astype(np.int8) for p in pairs]]
    for scales in ((0.1, 0.1, 0.1), (0.1, 0.05, 0.11), (1e-3, 1.0, 0.9), (0.3, 0.5, 2e-4), (0.01, 0.02, 30.0)):
        for activation in ("none", "relu", "relu6"):
            options: dict[str, Any] = {"scales": scales, "activation": activation, "inputs": every}
            yield case("ADD", f"scales {scales} {activation}", "int8", shapes=(pairs[0].shape,) * 2, **options)
    for n in range(1, 18):
        yield case("ADD", f"{n} elements", "int8", shapes=((n,), (n,)), zero_points=(3, -n, 5))


def dense() -> Iterator[Case]:
    """Depths and channels around 4, 16 and 32; results that are halves."""
    for n in range(1, 18):
        yield Case(f"depth {n}", partial(fully_connected, x=(1 + n % 3, n), channels=1 + n % 6, seed=n))
        yield Case(f"{n} channels", partial(fully_connected, x=(2, 33 + n), channels=n, activation=_act(n), seed=n))
    for n, (depth, channels) in enumerate(((640, 40), (128, 128), (1000, 3), (64, 10))):
        yield Case(f"{depth} to {channels}", partial(fully_connected, x=(1, depth), channels=channels, seed=n))


TABLES = {"convolutions": convolutions, "depthwise": depthwise, "sums": sums, "dense": dense}


@pytest.fixture(scope="module", params=sorted(TABLES))
def ready(request: pytest.FixtureRequest) -> list[Prepared]:
    prepared, failures = prepare(list(TABLES[request.param]()))
    assert not failures, failures
    return prepared


def builds_for(prepared: list[Prepared], target: Target) -> list[Build]:
    """Each case once for every kernel of this instruction set that serves it."""
    builds: list[Build] = []
    for p in prepared:
        for kernel in serving(p, target):
            plan = make_plan(p.graph, target, select=prefer(kernel))
            builds.append(Build(f"{p.case.name} [{kernel.name}]", f"n{len(builds)}", p, plan))
    return builds


def serving(p: Prepared, target: Target) -> list[Kernel]:
    """Kernels of this instruction set that accept an operator of the case."""
    return [k for k in MVE if any(n.type in k.ops and k.rejects(n, target) is None for n in p.graph.nodes())]


def test_on_the_host(ready: list[Prepared], tmp_path: Path) -> None:
    failures = run_generated_c(tmp_path, builds_for(ready, HOST))
    assert not failures, "\n".join(f"{case}: {text}" for case, text in failures.items())


@pytest.mark.qemu
@pytest.mark.parametrize("kind", load_target(BOARD).settings["toolchains"]["order"])
def test_on_the_core(ready: list[Prepared], kind: str, tmp_path: Path) -> None:
    target = load_target(BOARD)
    if toolchain_command(target, kind) is None:
        pytest.skip(f"SKIPPED: {kind} for {target.name} is not installed")
    some = ready if kind == target.settings["toolchains"]["order"][0] else ready[::4]
    failures = run_on_core(tmp_path, builds_for(some, target), target, kind=kind)
    assert not failures, "\n".join(f"{case}: {text}" for case, text in failures.items())


def test_no_kernel_is_left_out() -> None:
    """Every kernel that asks for MVE serves a case of the tables."""
    target = load_target(BOARD)
    missing = {k.name for k in MVE}
    for cases in TABLES.values():
        prepared, failures = prepare(list(cases()))
        assert not failures, failures
        missing -= {b.plan.steps[0].kernel.name for b in builds_for(prepared, target)}
    assert not missing, f"never executed: {sorted(missing)}"
