"""Cores with a floating-point unit compute fused multiply-adds and square roots themselves, without the C library."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from kernels.test_warnings import CNN, SETS
from mcu_gen.plan.planner import make_plan
from mcu_gen.targets import Target
from mcu_gen.train import make_training_graph, parse_spec
from ops.test_three_way import table
from support.emulated import core_builds, firmware_command, toolchain_command
from support.three_way import compile_units, prepare, write_library, write_unit
from train import networks

CROSS = [(t, kind) for t in SETS.values() if "fma" in t.features for kind in t.settings["toolchains"]["order"]]
#: Operators whose kernels add products or take roots.
OPERATORS = ("conv2d", "depthwise_conv2d", "fully_connected", "rsqrt", "l2_normalization", "softmax", "gelu")
LIBM = {"fma", "fmaf", "sqrt", "sqrtf"}


@pytest.mark.parametrize(("target", "kind"), CROSS, ids=[f"{t.name}-{kind}" for t, kind in CROSS])
def test_nothing_of_libm_is_called(target: Target, kind: str, tmp_path: Path) -> None:
    if toolchain_command(target, kind) is None:
        pytest.skip(f"SKIPPED: {kind} for {target.name} is not installed")
    settings = target.settings["toolchains"][kind]
    nm = shutil.which(f"{settings.get('prefix') or settings['sysroot_of']}nm")
    assert nm is not None
    cases = [
        dataclasses.replace(
            next(c for c in table(f"cases_{o}") if c.name.startswith(("f32", "float32"))), name=o, oracle=False
        )
        for o in OPERATORS
    ]
    ready, failures = prepare(cases)
    assert not failures
    units = [write_unit(tmp_path, b, poison=False) for b in core_builds(ready, target)]
    step = make_training_graph(networks.build(CNN), parse_spec("last:2,optimizer=adam"))
    units.append(write_library(tmp_path, make_plan(step, target), "step"))
    assert not compile_units(firmware_command(target, kind), units)
    for unit in units:
        done = subprocess.run([nm, "-u", str(unit.with_suffix(".o"))], capture_output=True, text=True, timeout=60)
        called = {line.split()[-1] for line in done.stdout.splitlines()}
        assert not called & LIBM, unit
