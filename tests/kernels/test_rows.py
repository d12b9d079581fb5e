"""Verbs on rows of elements and on windows of pools: what scalar C computes, in vectors of every instruction set.

Lengths leave every tail from one element to a vector and one more; sums go beyond what 16 bits hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mcu_gen.kernels import kernels
from mcu_gen.plan.planner import make_plan
from mcu_gen.resources import resource_dir
from mcu_gen.targets import Target, list_targets, load_target
from ops.cases_mean import mean
from support.elementwise import unary
from support.emulated import firmware_command, run_on_core, run_program, toolchain_command
from support.images import pool
from support.sums import case
from support.three_way import Build, Case, Prepared, compile_units, prefer, prepare, run_generated_c, write_unit

#: The instruction sets that have rows of their own, with every compiler.
CORES = [
    (board, kind)
    for board in ("mps2_an386", "mps2_an500", "mps3_an547", "rv32_virt", "rv32_virt_rvv")
    for kind in load_target(board).settings["toolchains"]["order"]
]
NAMES = {
    "quantize_s8", "dequantize_s8", "mul_s8", "mean_spatial_s8", "average_pool2d_global_s8", "average_pool2d_s8",
    "max_pool2d_s8",
}  # fmt: skip
SIMD = resource_dir("firmware") / "simd"


def conversions() -> Iterator[Case]:
    """Halves and their neighbours, numbers beyond the type, NaN."""
    quantize = partial(unary, "QUANTIZE", dtype="float32", y_dtype="int8")
    dequantize = partial(unary, "DEQUANTIZE", dtype="int8", y_dtype="float32")
    halves = ((np.arange(-270, 270) + 0.5) * 0.5).astype(np.float32)
    special = np.array([np.nan, np.inf, -np.inf, 1e-40, -1e-40, 1e38, -1e38, 0.0, -0.0], np.float32)
    near = [np.nextafter(halves, np.float32(9e9)), np.nextafter(halves, np.float32(-9e9))]
    reals = np.concatenate([halves, *near])
    for scale, zero_point in ((0.5, 1), (0.037, -128), (3.0, 127)):
        build = partial(quantize, shape=reals.shape, y_scale=scale, y_zero_point=zero_point)
        yield Case(f"scale {scale} to codes", build, [[reals * np.float32(scale)]])
    # what LiteRT leaves to the conversion of the host
    yield Case("beyond", partial(quantize, shape=special.shape, y_scale=0.1), [[special]], oracle=False)
    for n in range(1, 10):
        yield Case(f"{n} to codes", partial(quantize, shape=(n,)))
        yield Case(f"{n} to reals", partial(dequantize, shape=(n,)), tolerance=0.0)
    for scale in (1e-39, 1e-3):
        yield Case(f"scale {scale} to reals", partial(dequantize, x_scale=scale), tolerance=0.0)


def products() -> Iterator[Case]:
    """Vectors and repeated numbers, shifts in both directions and none, clamps."""
    for n in (*range(1, 10), 31, 32, 33, 65):
        yield case("MUL", f"{n} products", "int8", shapes=((n,), (n,)), zero_points=(3, -n, 5))
        yield case("MUL", f"{n} times one", "int8", shapes=((2, n), (2, 1)), activation=("none", "relu")[n % 2])
        yield case("MUL", f"one times {n}", "int8", shapes=((1,), (n,)))
    for scales in ((0.1, 0.1, 0.1), (7.0, 9.0, 0.1), (0.5, 0.5, 0.25), (0.5, 0.5, 0.5), (1e-3, 1e-3, 1.0)):
        yield case("MUL", f"scales {scales}", "int8", scales=scales, zero_points=(-128, 127, 0))


def windows() -> Iterator[Case]:
    """Channels around a vector; windows of more pixels than 16 bits sum, with all codes at an end of their range."""
    for n in (*range(1, 18), 31, 32, 33, 129):
        for builtin in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
            activation = ("none", "relu", "relu6")[n % 3]
            more = {"filter": (3, 2), "padding": "same", "activation": activation, "zero_point": -20}
            yield Case(f"{builtin} {n}", partial(pool, builtin, x=(1, 4, 3, n), **more))
        yield Case(f"mean {n}", partial(mean, (1, 3, 4, n), (1, 2)))
    for size in (16, 17):  # 256 and 289 pixels
        x = [[np.full((1, size, size, 6), code, np.int8)] for code in (-128, 127)]
        x.append([np.resize([-128, 127, 1], (1, size, size, 6)).astype(np.int8)])
        whole = {"x": (1, size, size, 6), "filter": (size, size), "stride": (size, size)}
        yield Case(f"global {size}", partial(pool, "AVERAGE_POOL_2D", **whole), x)
        yield Case(f"mean of {size} rows", partial(mean, (1, size, size, 6), (1, 2)), x)
        part = {"x": (1, size, size + 1, 6), "filter": (size, size), "stride": (1, 1)}
        yield Case(f"nearly global {size}", partial(pool, "AVERAGE_POOL_2D", **part))
    for taps in range(1, 8):  # every divisor, sums around halves of both signs
        x = np.arange(-128, 128).astype(np.int8).reshape(1, 1, 256, 1).repeat(taps, axis=1)
        x[0, 0, ::2] ^= 1
        more = {"x": x.shape, "filter": (taps, 1), "stride": (1, 1)}
        yield Case(f"mean of {taps}", partial(pool, "AVERAGE_POOL_2D", **more), [[x]])


@pytest.fixture(scope="module")
def ready() -> list[Prepared]:
    found, failures = prepare([*conversions(), *products(), *windows()])
    assert not failures, failures
    return found


def builds(ready: list[Prepared], target: Target) -> list[Build]:
    """Every case with every one of the kernels that serves it."""
    made: list[Build] = []
    for p in ready:
        (node,) = p.graph.nodes()
        for k in kernels():
            if k.name in NAMES and node.type in k.ops and k.rejects(node, target) is None:
                plan = make_plan(p.graph, target, select=prefer(k))
                made.append(Build(f"{p.case.name} [{k.name}]", f"n{len(made)}", p, plan))
    assert {step.kernel.name for b in made for step in b.plan.steps} == NAMES
    return made


def test_on_the_host(ready: list[Prepared], tmp_path: Path) -> None:
    failures = run_generated_c(tmp_path, builds(ready, Target("host")))
    assert not failures, "\n".join(f"{case}: {text}" for case, text in failures.items())


def program(target: Target) -> str:
    """``rows.c`` with the headers under test."""
    text = (Path(__file__).parent / "rows.c").read_text("utf-8")
    (rows,) = (header for header in target.simd if header.endswith("_rows"))
    for name, header in (("scalar.h", "scalar"), ("rows.h", "rows"), ("REPLACEMENTS", rows)):
        text = text.replace(f'#include "{name}"', f'#include "{SIMD / header}.h"')
    return text


@pytest.mark.qemu
@pytest.mark.parametrize(("board", "kind"), CORES)
def test_verbs_on_the_core(board: str, kind: str, tmp_path: Path) -> None:
    target = load_target(board)
    if toolchain_command(target, kind) is None:
        pytest.skip(f"SKIPPED: {kind} for {board} is not installed")
    said = run_program(tmp_path, program(target), target, kind=kind).split("\n")
    assert said == [f"COMPARED {2 * 134 * 6 + 3 * 300 * 2}", ""]


@pytest.mark.slow
@pytest.mark.qemu
@pytest.mark.parametrize(("board", "kind"), CORES)
def test_kernels_on_the_core(board: str, kind: str, ready: list[Prepared], tmp_path: Path) -> None:
    target = load_target(board)
    if toolchain_command(target, kind) is None:
        pytest.skip(f"SKIPPED: {kind} for {board} is not installed")
    failures = run_on_core(tmp_path, builds(ready, target), target, kind=kind)
    assert not failures, "\n".join(f"{case}: {text}" for case, text in failures.items())


#: Instructions that say that a verb was replaced.
EXPECTED = {
    "mps2_an386": ("sxtab16", "sel", "smmulr"),
    "mps2_an500": ("sxtab16", "sel", "smmulr", "vcvta.s32.f32", "vmaxnm.f32"),
    "mps2_an505": ("sxtab16", "sel", "smmulr", "vcvta.s32.f32", "vmaxnm.f32"),
    "mps3_an547": ("vcvta.s32.f32", "vcvt.f32.s32", "vqrdmulh.s32", "vmax.s8", "vmulh.u32", "vadd.i16"),
    "rv32_virt": ("fmax.s", "fcvt.w.s"),
    "rv32_virt_rvv": ("fmax.s", "vsmul.vx", "vmax.vv", "vmulhu.vx", "vwadd.wv"),
}


@pytest.mark.qemu
@pytest.mark.parametrize("board", sorted(EXPECTED))
def test_the_instructions_are_there(board: str, ready: list[Prepared], tmp_path: Path) -> None:
    target = load_target(board)
    first = {b.plan.steps[0].kernel.name: b for b in builds(ready, target)}
    units = [write_unit(tmp_path, b, poison=False) for b in first.values()]
    assert not compile_units([*firmware_command(target), "-S"], units)
    text = "".join(u.with_suffix(".o").read_text() for u in units)
    assert [i for i in EXPECTED[board] if not re.search(rf"\b{re.escape(i)}\b", text)] == []


def test_every_board_with_the_instructions_has_the_header() -> None:
    for target in list_targets():
        simd = set(target.simd)
        assert ("armv8m_rows" in simd) == ("mve" in target.features), target.name
        assert ("armv7em_rows" in simd) == ("dsp" in target.features and "mve" not in target.features), target.name
        assert "rv32_rows" in simd or "rvv" not in target.features, target.name


def test_the_headers_replace_every_verb() -> None:
    defined = set(re.findall(r"static inline \w+ (mg_\w+)\(", (SIMD / "rows.h").read_text("utf-8")))
    floating = {"mg_quantize_row_s8", "mg_dequantize_row_s8"}  # vectors of floats: MVE alone
    for header, without in (("armv7em_rows", floating), ("armv8m_rows", set()), ("rv32_rows", floating)):
        replaced = set(re.findall(r"#define (mg_\w+)\s+mg_", (SIMD / f"{header}.h").read_text("utf-8")))
        assert defined - without <= replaced, header
