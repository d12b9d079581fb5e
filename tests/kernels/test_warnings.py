"""Every kernel's C is C99 without a warning for every compiler at hand (GCC on the host: every run of the tables)."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from mcu_gen.emit.network import network_files
from mcu_gen.plan.planner import make_plan
from mcu_gen.targets import FEATURES, Target, list_targets
from mcu_gen.train import make_training_graph, parse_spec
from ops.test_three_way import TABLES, table
from support.emulated import core_builds, toolchain_command
from support.fused import FORMS, forced, residual_network
from support.three_way import CFLAGS, Build, Prepared, compile_units, prepare, write_unit
from train import networks

CLANG = next((c for c in ("clang-19", "clang-20", "clang-21", "clang") if shutil.which(c)), None)
MORE = ["-Wshadow", "-Wundef"]

#: One emulated board per instruction set, with each of its compilers.
SETS: dict[tuple[str, frozenset[str]], Target] = {}
for _target in list_targets():
    if "qemu" in _target.emulators:
        SETS.setdefault((_target.manifest["build"]["arch"], _target.features), _target)
CROSS = [(t, kind) for t in SETS.values() for kind in t.settings["toolchains"]["order"]]

CNN = networks.Network(
    "cnn", (1, 8, 8, 2),
    [networks.conv(4, (3, 3), activation="relu"), networks.op("reshape"), networks.dense(4), networks.op("softmax")],
)  # fmt: skip


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


@pytest.mark.skipif(CLANG is None, reason="SKIPPED: Clang is not installed")
def test_clang_has_no_warnings_about_fused_networks_and_training_steps(tmp_path: Path) -> None:
    """One unit per file, as projects are built: what a segment has no use for is not there."""
    assert CLANG is not None
    plans = [forced(residual_network(), Target("host"), form) for form in FORMS]
    step = make_training_graph(networks.build(CNN), parse_spec("last:2,replay=3"))
    plans.append(make_plan(step, Target("host", features=frozenset(FEATURES))))
    files = []
    for i, plan in enumerate(plans):
        for name, text in network_files(plan, "net").items():
            path = tmp_path / f"{i}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            files += [path] if name.endswith(".c") else []
    command = [CLANG, *CFLAGS, *MORE, "-fsyntax-only", "-I../include"]
    messages = compile_units(command, files)
    assert not messages, "\n".join(messages.values())


@pytest.mark.parametrize(("target", "kind"), CROSS, ids=[f"{t.name}-{kind}" for t, kind in CROSS])
def test_cross_compilers_have_no_warnings(target: Target, kind: str, ready: list[Prepared], tmp_path: Path) -> None:
    command = toolchain_command(target, kind)
    if command is None:
        pytest.skip(f"SKIPPED: {kind} for {target.name} is not installed")
    files = units(core_builds(ready, target), tmp_path)
    messages = compile_units([*command, *CFLAGS, *MORE, "-fsyntax-only"], files)
    assert not messages, "\n".join(messages.values())
