"""The SIMD headers: what they replace is really replaced, and gives the bits of scalar.h on the core itself."""

from __future__ import annotations

import re
import subprocess
from functools import partial
from pathlib import Path

import pytest

from mcu_gen.kernels import kernels
from mcu_gen.plan.planner import make_plan
from mcu_gen.resources import resource_dir
from mcu_gen.targets import Target, list_targets, load_target
from support.emulated import firmware_command, run_on_core
from support.images import convolution
from support.three_way import Build, Case, Prepared, compile_units, prefer, prepare, write_unit

DSP_CORES = [t.name for t in list_targets() if "qemu" in t.emulators and "dsp" in t.features]

pytestmark = pytest.mark.qemu

#: Depths around the multiple of 4, odd numbers of pixels and channels, and sums that saturate.
CASES = [
    Case(
        f"{h}x{w}x{depth} to {channels}{' saturating' if extreme else ''}",
        partial(
            convolution,
            x=(1, h, w, depth),
            channels=channels,
            filter=(1, 1),
            x_zero_point=-128 if extreme else 5,
            y_scale=0.002 if extreme else None,
        ),
    )
    for h, w, depth, channels, extreme in [
        (1, 1, 1, 1, False),
        (1, 3, 2, 5, False),
        (2, 2, 3, 4, False),
        (3, 3, 4, 3, False),
        (2, 3, 5, 2, True),
        (1, 5, 15, 7, True),
        (4, 4, 16, 9, False),
        (2, 2, 67, 6, True),
    ]
]


def pointwise_builds(ready: list[Prepared], target: Target) -> list[Build]:
    """The cases with the kernel of this instruction set, though a core may have a faster one."""
    (kernel,) = (k for k in kernels() if k.name == "conv2d_pointwise_s8_dsp")
    plans = [make_plan(p.graph, target, select=prefer(kernel)) for p in ready]
    return [Build(p.case.name, f"n{i}", p, plan) for i, (p, plan) in enumerate(zip(ready, plans, strict=True))]


@pytest.mark.parametrize("board", DSP_CORES)
def test_matrix_product_on_the_core(board: str, tmp_path: Path) -> None:
    target = load_target(board)
    ready, failures = prepare(CASES)
    assert not failures, failures
    builds = pointwise_builds(ready, target)
    assert {s.kernel.name for b in builds for s in b.plan.steps} == {"conv2d_pointwise_s8_dsp"}
    assert not run_on_core(tmp_path, builds, target)


@pytest.mark.parametrize("board", DSP_CORES)
def test_the_instructions_are_there(board: str, tmp_path: Path) -> None:
    """SMLAD with the header, none with ``MG_SIMD_SCALAR``, where the same kernel runs over plain C."""
    target = load_target(board)
    ready, _ = prepare(CASES[-1:])
    unit = write_unit(tmp_path, pointwise_builds(ready, target)[0], poison=False)
    found = []
    for options in ([], ["-DMG_SIMD_SCALAR"]):
        assert not compile_units([*firmware_command(target), *options], [unit])
        listing = subprocess.run(
            ["arm-none-eabi-objdump", "-d", str(unit.with_suffix(".o"))], capture_output=True, text=True, timeout=60
        ).stdout
        found.append(len(re.findall(r"\tsmlad\t", listing)))
    assert found[0] >= 8
    assert found[1] == 0


def test_extensions_stay_in_their_folder() -> None:
    """No kernel template holds assembly, attributes or builtins: those belong to firmware/simd."""
    words = re.compile(r"__asm__|__attribute__|__builtin_|\basm\b|\barm_")
    for path in sorted((resource_dir("templates") / "kernels").iterdir()):
        assert not words.search(path.read_text("utf-8")), path.name
