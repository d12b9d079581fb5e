"""Every emulated board with every compiler: start-up, serial line, exact counter, stack painting, bulk data."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from mcu_gen.build import build_project
from mcu_gen.errors import ToolMissingError
from mcu_gen.targets import Target, list_targets, load_target
from support.sample_firmware import ARENA, write_sample

CASES = [(t, kind) for t in list_targets() if "qemu" in t.emulators for kind in t.settings["toolchains"]["order"]]
COUNTS = (1, 2, 5, 77, 1000, 54321, 3_000_000)


def emulate(target: Target, elf: Path, *more: str) -> subprocess.CompletedProcess[str]:
    qemu: Any = target.emulators["qemu"]
    command = [
        qemu["program"],
        *qemu["args"],
        *qemu["icount"],
        "-serial",
        "stdio",
        qemu["image_option"],
        str(elf),
        *more,
    ]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300, check=False)


@pytest.mark.qemu
@pytest.mark.parametrize(("target", "toolchain"), CASES, ids=[f"{t.name}-{kind}" for t, kind in CASES])
def test_board(target: Target, toolchain: str, tmp_path: Path) -> None:
    project = write_sample(tmp_path / "p", target, counts=COUNTS)
    try:
        built = build_project(project, toolchain=toolchain)
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    assert (built.arena_bytes, built.bss, built.data, built.harness_bytes) == (ARENA, ARENA, 0, 0)
    assert built.ram_bytes == ARENA + target.stack_bytes

    bulk = tmp_path / "bulk.bin"
    bulk.write_bytes(bytes(range(11, 19)))
    region = target.region("harness")
    loader = target.emulators["qemu"]["loader_option"].format(file=bulk, addr=region.base)
    done = emulate(target, built.elf, "-device", loader)
    assert done.returncode == 3, done.stderr
    records = [line.split() for line in done.stdout.splitlines()]

    # The overhead of reading the counter is one constant: every loop of 2n instructions is counted exactly.
    loops = [(int(n), target.instructions(int(ticks))) for kind, n, ticks in (r for r in records if r[0] == "L")]
    assert [n for n, _ in loops] == list(COUNTS)
    assert len({count - 2 * n for n, count in loops}) == 1
    assert 0 <= loops[0][1] - 2 < 60

    harness = next(r for r in records if r[0] == "H")
    assert [int(v) for v in harness[1:]] == [region.base, region.size, *range(11, 19)]

    shallow, deep = ([int(v) for v in r[1:]] for r in records if r[0] == "S")
    assert shallow[1] == deep[1] == built.stack_bytes == target.stack_bytes
    assert 0 < shallow[0] <= 512 < deep[0] < 1400
    # `dig` calls itself: there is no bound, and the build says so instead of inventing one.
    assert built.stack_bound.bytes is None
    assert built.stack_bound.reason == "dig calls itself"


@pytest.mark.qemu
@pytest.mark.parametrize("target", [t for t, k in CASES if k == "gcc"], ids=[t.name for t, k in CASES if k == "gcc"])
def test_a_cpu_fault_ends_the_program(target: Target, tmp_path: Path) -> None:
    project = write_sample(tmp_path / "p", target)
    try:
        built = build_project(project, defines=["FAULT"], variant="fault")
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    done = emulate(target, built.elf)
    assert done.returncode == 70
    assert "CPU fault at pc 0x" in done.stdout + done.stderr


@pytest.mark.qemu
@pytest.mark.parametrize("toolchain", ["gcc", "clang"])
def test_hifive1_starts_in_an_emulator(toolchain: str, tmp_path: Path) -> None:
    """QEMU knows this board's chip: memory map, clock, pins and serial line work there as on the board."""
    target = load_target("hifive1_revb")
    try:
        built = build_project(write_sample(tmp_path / "p", target), toolchain=toolchain)
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    machine = ["qemu-system-riscv32", "-M", "sifive_e,revb=true", "-display", "none", "-monitor", "none"]
    if shutil.which(machine[0]) is None:
        pytest.skip(f"{machine[0]} is not installed")
    with subprocess.Popen(
        [*machine, "-serial", "stdio", "-kernel", str(built.elf)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as qemu:
        clock = threading.Timer(60, qemu.kill)  # the program halts at its end, the emulator does not
        clock.start()
        assert qemu.stdout is not None
        records = [next(qemu.stdout, "").split() for _ in range(5)]
        qemu.kill()
        clock.cancel()
    assert [r[0] for r in records] == ["L", "L", "H", "S", "S"]
    stacks = [[int(v) for v in r[1:]] for r in records if r[0] == "S"]
    assert 0 < stacks[0][0] <= 512 < stacks[1][0] < stacks[0][1] == target.stack_bytes


@pytest.mark.qemu
@pytest.mark.slow
@pytest.mark.parametrize("target", [t for t, k in CASES if k == "gcc"], ids=[t.name for t, k in CASES if k == "gcc"])
def test_the_counter_is_exact_beyond_32_bits(target: Target, tmp_path: Path) -> None:
    project = write_sample(tmp_path / "p", target, counts=(1, 2_200_000_000))
    done = emulate(target, build_project(project).elf)
    records = [line.split() for line in done.stdout.splitlines() if line.startswith("L")]
    (one, first), (many, second) = ((int(n), target.instructions(int(ticks))) for _, n, ticks in records)
    assert first - 2 * one == second - 2 * many
