"""Every kernel's C compiles without a warning with Clang too (GCC: every run of the operator tests)."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from mcu_gen.targets import FEATURES, Target
from ops.test_three_way import TABLES, table
from support.emulated import core_builds
from support.three_way import CFLAGS, compile_units, prepare, write_unit

CLANG = next((c for c in ("clang-19", "clang-20", "clang-21", "clang") if shutil.which(c)), None)


@pytest.mark.skipif(CLANG is None, reason="SKIPPED: Clang is not installed")
def test_clang_has_no_warnings(tmp_path: Path) -> None:
    assert CLANG is not None
    cases = [
        dataclasses.replace(case, name=f"{name}: {case.name}", oracle=False)
        for name in TABLES
        for case in table(name)
        if case.quick
    ]
    ready, failures = prepare(cases)
    assert not failures
    seen: set[str] = set()
    units = []
    for build in core_builds(ready, Target("host", features=frozenset(FEATURES))):
        new = {s.kernel.name for s in build.plan.steps} - seen
        if new:
            seen |= new
            units.append(write_unit(tmp_path, build, poison=False))
    messages = compile_units([CLANG, *CFLAGS, "-Wshadow", "-Wundef", "-O2"], units)
    assert not messages, "\n".join(messages.values())
