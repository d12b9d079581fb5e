"""Kernels that compute blocks of channels: register-blocked plain C, and channels along vectors (RISC-V V).

On the development machine under sanitizers, and on the cores for which they are made: without SIMD, and with vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcu_gen.kernels import kernels
from mcu_gen.plan.planner import make_plan
from mcu_gen.targets import Target, load_target
from ops.cases_fully_connected import fully_connected
from support.elementwise import binary, unary
from support.emulated import run_on_core
from support.images import convolution
from support.three_way import Build, Case, Prepared, prefer, prepare, run_generated_c

#: The development machine runs vectors through plain C.
HOST = Target("host", features=frozenset({"rvv"}))

#: Every number of channels from one to a block and one more, odd depths, one pixel, odd pixels, every way to leave the
#: image, tiles that do not fit, and sums that are clamped.
WINDOWS: list[dict[str, Any]] = [
    *({"x": (1, 3, 3, 2), "channels": c, "filter": (3, 3)} for c in range(1, 6)),
    *({"x": (1, 4, 5, d), "channels": 4, "filter": (2, 3)} for d in range(1, 6)),
    {"x": (2, 5, 7, 3), "channels": 9, "filter": (3, 3), "stride": (2, 2)},
    {"x": (1, 8, 6, 1), "channels": 6, "filter": (5, 4), "stride": (2, 1)},
    {"x": (1, 7, 7, 2), "channels": 3, "filter": (3, 3), "dilation": (2, 1), "padding": "valid"},
    {"x": (1, 7, 9, 2), "channels": 5, "filter": (2, 3), "dilation": (1, 2)},
    {"x": (1, 6, 6, 16), "channels": 8, "filter": (1, 1), "stride": (2, 2)},
    {"x": (1, 1, 1, 3), "channels": 5, "filter": (3, 3)},
    {"x": (1, 4, 4, 1), "channels": 7, "filter": (3, 3), "depthwise": True},
    {"x": (1, 5, 5, 8), "channels": 6, "filter": (3, 3), "y_scale": 0.003, "activation": "relu6", "y_zero_point": -128},
]
POINTWISE: list[dict[str, Any]] = [
    *({"x": (1, 3, 3, 4), "channels": c, "filter": (1, 1)} for c in range(1, 6)),
    *({"x": (1, 1, 2, d), "channels": 8, "filter": (1, 1)} for d in range(1, 6)),
    {"x": (2, 1, 3, 17), "channels": 6, "filter": (1, 1), "x_zero_point": -128, "y_scale": 0.0021},
    {"x": (1, 1, 1, 5), "channels": 3, "filter": (1, 1)},
]
DEPTHWISE: list[dict[str, Any]] = [
    *({"x": (1, 5, 6, c), "channels": c, "filter": (3, 3), "depthwise": True} for c in range(2, 7)),
    {"x": (2, 9, 7, 8), "channels": 8, "filter": (3, 3), "stride": (2, 2), "depthwise": True},
    {"x": (1, 3, 3, 12), "channels": 12, "filter": (7, 7), "depthwise": True, "x_zero_point": -128},
    {"x": (1, 12, 11, 5), "channels": 5, "filter": (5, 5), "depthwise": True, "padding": "valid"},
    {"x": (1, 9, 9, 4), "channels": 4, "filter": (3, 2), "dilation": (2, 3), "depthwise": True},
    {"x": (1, 1, 20, 6), "channels": 6, "filter": (1, 10), "depthwise": True, "bias": False},
    {"x": (1, 6, 8, 16), "channels": 16, "filter": (3, 3), "depthwise": True, "y_scale": 0.003, "activation": "relu"},
]
#: Numbers of channels around one vector of the smallest machine and around two; test_lanes.py has all of them.
TAILS = (1, 2, 31, 32, 33, 64, 65)
WIDE: list[dict[str, Any]] = [{"x": (1, 2, 3, 3), "channels": c, "filter": (2, 3)} for c in TAILS]
WIDE_POINTWISE: list[dict[str, Any]] = [{"x": (1, 1, 3, 5), "channels": c, "filter": (1, 1)} for c in TAILS]
WIDE_DEPTHWISE: list[dict[str, Any]] = [
    {"x": (1, 4, 5, c), "channels": c, "filter": (3, 3), "depthwise": True} for c in TAILS[1:]
]
CONNECTED: list[dict[str, Any]] = [
    *({"x": (1, 7), "channels": c} for c in (*range(1, 6), *TAILS[2:])),
    *({"x": (2, d), "channels": 4, "per_channel": True} for d in range(1, 6)),
    {"x": (3, 40), "channels": 9, "y_scale": 0.006, "activation": "relu", "bias": False},
]
SUMS: list[dict[str, Any]] = [
    *({"shapes": ((1, n), (1, n))} for n in (1, 31, 32, 33, 70)),
    *({"scales": s, "activation": "relu"} for s in ((0.1, 0.1, 0.1), (0.1, 0.01, 0.2), (1.0, 1e-3, 1.0))),
]


def convolutions(table: list[dict[str, Any]]) -> list[Callable[[], bytes]]:
    return [partial(convolution, **options) for options in table]


LAYERS = [partial(fully_connected, **options) for options in CONNECTED]
PAIRS = [partial(binary, builtin, **options) for builtin in ("ADD", "SUB") for options in SUMS]
CURVES = [partial(unary, "TANH", shape=(n,), y_scale=1 / 128, y_zero_point=0) for n in (1, 127, 128, 129, 300)]

#: Kernel -> core it is made for, models that it has to take.
EXPECTED: dict[str, tuple[str, Sequence[Callable[[], bytes]]]] = {
    "conv2d_block_s8": ("rv32_virt", convolutions(WINDOWS)),
    "conv2d_pointwise_block_s8": ("rv32_virt", convolutions(POINTWISE)),
    "depthwise_conv2d_block_s8": ("rv32_virt", convolutions(DEPTHWISE)),
    "fully_connected_block_s8": ("rv32_virt", LAYERS),
    "add_row_s8": ("rv32_virt", PAIRS),
    "conv2d_s8_rvv": ("rv32_virt_rvv", convolutions([*WINDOWS[::3], *WIDE])),
    "conv2d_pointwise_s8_rvv": ("rv32_virt_rvv", convolutions([*POINTWISE[::2], *WIDE_POINTWISE])),
    "depthwise_conv2d_s8_rvv": ("rv32_virt_rvv", convolutions([*DEPTHWISE, *WIDE_DEPTHWISE])),
    "fully_connected_s8_rvv": ("rv32_virt_rvv", LAYERS),
    "add_s8_rvv": ("rv32_virt_rvv", PAIRS),
    "lookup_8bit_rvv": ("rv32_virt_rvv", CURVES),
}


def random_windows(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """Arguments of random convolutions."""
    rng = np.random.default_rng(seed)

    def pick(*options: Any) -> Any:
        return options[int(rng.integers(len(options)))]

    for _ in range(count):
        depth, depthwise = int(rng.integers(2, 11)), pick(True, False)
        taps = (int(rng.integers(1, 5)), int(rng.integers(1, 5)))
        wide = pick(1, 1, 2)
        size = ((taps[0] - 1) * wide + int(rng.integers(1, 7)), (taps[1] - 1) * wide + int(rng.integers(1, 7)))
        yield {
            "x": (pick(1, 1, 2), *size, depth),
            "channels": depth if depthwise else int(rng.integers(1, 12)),
            "filter": taps,
            "stride": (pick(1, 1, 2, 3), pick(1, 1, 2, 3)),
            "dilation": (wide, wide),
            "padding": pick("same", "same", "valid"),
            "depthwise": depthwise,
            "x_zero_point": int(rng.integers(-128, 128)),
            "activation": pick("none", "relu", "relu6"),
        }


def described(model: Callable[[], bytes]) -> str:
    return str(getattr(model, "keywords", ""))


def cases(models: Sequence[Callable[[], bytes]], prefix: str) -> list[Case]:
    return [Case(f"{prefix} {i} {described(model)}", model) for i, model in enumerate(models)]


@pytest.fixture(scope="module")
def ready() -> dict[str, list[Prepared]]:
    """The cases of each kernel, with LiteRT's outputs."""
    tables = {name: models for name, (_, models) in EXPECTED.items()}
    tables["random"] = convolutions(list(random_windows(3, 16)))
    every = [c for name, models in tables.items() for c in cases(models, name)]
    prepared, failures = prepare(every)
    assert not failures, failures
    return {name: [p for p in prepared if p.case.name.startswith(f"{name} ")] for name in tables}


def builds_with(name: str, ready: dict[str, list[Prepared]], target: Target) -> list[Build]:
    """Plans with one kernel wherever it can serve; it has to serve all cases of its own table."""
    kernel = next(k for k in kernels() if k.name == name)
    builds = []
    for p in (*ready[name], *ready["random"]):
        plan = make_plan(p.graph, target, select=prefer(kernel))
        used = {s.kernel.name for s in plan.steps}
        assert used == {name} or p.case.name.startswith("random "), f"{p.case.name}: {used}"
        if name in used:
            builds.append(Build(p.case.name, f"n{len(builds)}", p, plan))
    return builds


@pytest.mark.parametrize("name", EXPECTED)
def test_on_the_development_machine(name: str, ready: dict[str, list[Prepared]], tmp_path: Path) -> None:
    failures = run_generated_c(tmp_path, builds_with(name, ready, HOST))
    assert not failures, "\n".join(f"{case}: {text}" for case, text in failures.items())


@pytest.mark.qemu
@pytest.mark.parametrize("name", EXPECTED)
def test_on_the_core(name: str, ready: dict[str, list[Prepared]], tmp_path: Path) -> None:
    target = load_target(EXPECTED[name][0])
    failures = run_on_core(tmp_path, builds_with(name, ready, target), target)
    assert not failures, "\n".join(f"{case}: {text}" for case, text in failures.items())


def test_what_the_blocks_refuse_is_computed_otherwise() -> None:
    """Factors of 0.5 and more, sums beyond 2**30, groups, several filters per channel."""
    tables: list[tuple[dict[str, Any], str]] = [
        ({"x": (1, 2, 2, 2), "channels": 2, "y_scale": 0.0001, "w_scale": 0.01}, "a factor of 0.5 and more"),
        ({"x": (1, 2, 2, 2), "channels": 2, "bias_values": [1 << 30, 0]}, "sums of 2**30 and more"),
        ({"x": (1, 2, 2, 4), "channels": 2, "filter_c": 2}, "convolution in groups"),
        ({"x": (1, 2, 2, 2), "channels": 4, "depthwise": True}, "more than one"),
    ]
    table = [options for options, _ in tables]
    prepared, failures = prepare(cases(convolutions(table), "refused"))
    assert not failures, failures
    for p, (_, reason) in zip(prepared, tables, strict=True):
        node = next(iter(p.graph.nodes()))
        found = [k.rejects(node, HOST) for k in kernels() if k.name in EXPECTED and node.type in k.ops]
        assert all(found), p.case.name
        assert any(text is not None and reason in text for text in found), found
