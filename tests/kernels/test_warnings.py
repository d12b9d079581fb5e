"""Every kernel's C is C99 without a warning for every compiler at hand (GCC on the host: every run of the tables)."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from mcu_gen.targets import FEATURES, Target, list_targets
from ops.test_three_way import TABLES, table
from support.emulated import core_builds, toolchain_command
from support.three_way import CFLAGS, Build, Prepared, compile_units, prepare, write_unit

CLANG = next((c for c in ("clang-19", "clang-20", "clang-21", "clang") if shutil.which(c)), None)
MORE = ["-Wshadow", "-Wundef"]

#: One emulated board per instruction set, with each of its compilers.
SETS: dict[tuple[str, frozenset[str]], Target] = {}
for _target in list_targets():
    if "qemu" in _target.emulators:
        SETS.setdefault((_target.manifest["build"]["arch"], _target.features), _target)
CROSS = [(t, kind) for t in SETS.values() for kind in t.settings["toolchains"]["order"]]


@pytest.fixture(scope="module")
def ready() -> list[Prepared]:
    """The quick cases of every operator."""
    cases = [
        dataclasses.replace(case, name=f"{name}: {case.name}", oracle=False)
        for name in TABLES
        for case in table(name)
        if case.quick
    ]
    prepared, failures = prepare(cases)
    assert not failures
    return prepared


def units(builds: Sequence[Build], folder: Path) -> list[Path]:
    """C files that hold every kernel of ``builds`` at least once."""
    seen: set[str] = set()
    files = []
    for build in builds:
        new = {s.kernel.name for s in build.plan.steps} - seen
        if new:
            seen |= new
            files.append(write_unit(folder, build, poison=False))
    return files


@pytest.mark.skipif(CLANG is None, reason="SKIPPED: Clang is not installed")
def test_clang_on_the_host_has_no_warnings(ready: list[Prepared], tmp_path: Path) -> None:
    assert CLANG is not None
    builds = core_builds(ready, Target("host", features=frozenset(FEATURES)))
    messages = compile_units([CLANG, *CFLAGS, *MORE, "-O2"], units(builds, tmp_path))
    assert not messages, "\n".join(messages.values())


@pytest.mark.parametrize(("target", "kind"), CROSS, ids=[f"{t.name}-{kind}" for t, kind in CROSS])
def test_cross_compilers_have_no_warnings(target: Target, kind: str, ready: list[Prepared], tmp_path: Path) -> None:
    command = toolchain_command(target, kind)
    if command is None:
        pytest.skip(f"SKIPPED: {kind} for {target.name} is not installed")
    files = units(core_builds(ready, target), tmp_path)
    messages = compile_units([*command, *CFLAGS, *MORE, "-fsyntax-only"], files)
    assert not messages, "\n".join(messages.values())
