"""Building: exact memory limits, clear errors, variants, stack bound, host programs, PlatformIO as its users see it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mcu_gen.build import build_host, build_project, toolchain_checks, upload_project
from mcu_gen.errors import DeviceError, DoesNotFitError, McuGenError, ToolMissingError, UsageError
from mcu_gen.targets import list_targets, load_target
from support.sample_firmware import ARENA, write_sample

BOARD = "mps2_an386"
REAL = [t.name for t in list_targets() if not t.emulators]
LIBRARY = next(t for t in list_targets() if t.settings.get("library"))
FLASHED = "nucleo_f446re"

needs_arm = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")


@needs_arm
@pytest.mark.parametrize(("board", "toolchain"), [(BOARD, "gcc"), (BOARD, "clang"), ("nucleo_f446re", "gcc")])
def test_ram_fits_exactly_or_fails(board: str, toolchain: str, tmp_path: Path) -> None:
    target = load_target(board)
    exact = ARENA + target.stack_bytes
    try:
        built = build_project(write_sample(tmp_path / "fits", target, max_ram=exact), toolchain=toolchain)
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    assert built.ram_bytes == exact
    with pytest.raises(DoesNotFitError, match="RAM by 1 bytes") as caught:
        build_project(write_sample(tmp_path / "one_less", target, max_ram=exact - 1), toolchain=toolchain)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("toolchain", ["gcc", "clang"])
@pytest.mark.parametrize("board", REAL)
def test_real_boards_build(board: str, toolchain: str, tmp_path: Path) -> None:
    target = load_target(board)
    try:
        built = build_project(write_sample(tmp_path / "p", target), toolchain=toolchain)
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    assert built.ram_bytes == ARENA + target.stack_bytes
    assert built.data == built.harness_bytes == 0
    assert 1000 < built.flash_bytes < 16384


@needs_arm
def test_variants_do_not_disturb_each_other(tmp_path: Path) -> None:
    project = write_sample(tmp_path / "a folder" / "p", load_target(BOARD))
    plain = build_project(project)
    again = build_project(project)
    assert (again.elf, again.stack_bound) == (plain.elf, plain.stack_bound)
    before = plain.elf.read_bytes()
    variant = build_project(project, defines=["TINY_ARENA_BYTES_IS_UNUSED=1", "FAULT"], variant="other")
    assert variant.elf != plain.elf
    assert variant.elf.read_bytes() != before
    assert plain.elf.read_bytes() == before


@needs_arm
def test_a_compile_error_names_the_place(tmp_path: Path) -> None:
    project = write_sample(tmp_path / "p", load_target(BOARD))
    (project / "src" / "broken.c").write_text("int f(void);\nint f(void) { return nothing; }\n")
    with pytest.raises(McuGenError, match="nothing") as caught:
        build_project(project)
    assert caught.value.where == "src/broken.c:2:22"


@needs_arm
def test_a_link_error_names_the_symbol(tmp_path: Path) -> None:
    project = write_sample(tmp_path / "p", load_target(BOARD))
    main = project / "src" / "main.c"
    main.write_text(main.read_text().replace("(void)tiny_invoke()", "extern void missing(void); missing()"))
    with pytest.raises(McuGenError, match=r"missing") as caught:
        build_project(project)
    assert "undefined reference" in str(caught.value)


@needs_arm
@pytest.mark.parametrize("toolchain", ["gcc", "clang"])
def test_the_stack_bound_holds_and_names_the_chain(toolchain: str, tmp_path: Path) -> None:
    project = write_sample(tmp_path / "p", load_target(BOARD))
    main = project / "src" / "main.c"
    pointer = "uint32_t (*volatile through)(uint32_t, volatile const uint8_t *) = dig;\nstatic const uint32_t counts"
    text = main.read_text().replace("dig(depth - (uint32_t)sizeof hole, hole)", "1u")
    main.write_text(text.replace("static const uint32_t counts", pointer).replace("(void)dig(", "(void)through("))
    try:
        built = build_project(project, toolchain=toolchain)
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    bound = built.stack_bound
    assert bound.bytes is not None
    assert 100 < bound.bytes < 400
    assert bound.path[0] == "Reset_Handler"
    assert "main" in bound.path


@needs_arm
def test_a_stack_that_cannot_hold_the_deepest_chain_is_refused(tmp_path: Path) -> None:
    project = write_sample(tmp_path / "p", load_target(BOARD))
    main = project / "src" / "main.c"
    text = main.read_text().replace("hole[64]", "hole[4000]")
    text = text.replace("dig(depth - (uint32_t)sizeof hole, hole)", "1u")
    main.write_text(text)
    with pytest.raises(DoesNotFitError, match="dig"):
        build_project(project)


def test_a_missing_compiler_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = write_sample(tmp_path / "p", load_target(BOARD))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match="arm-none-eabi-gcc") as caught:
        build_project(project)
    assert "gcc-arm-none-eabi" in caught.value.hints[0]
    with pytest.raises(ToolMissingError, match="C compiler"):
        build_host(project)


def test_what_cannot_be_flashed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="only in an emulator"):
        upload_project(write_sample(tmp_path / "emulated", load_target(BOARD)))
    with pytest.raises(UsageError, match="ESP-IDF"):
        upload_project(write_sample(tmp_path / "library", LIBRARY))
    if shutil.which("arm-none-eabi-gcc"):
        found = shutil.which
        monkeypatch.setattr(shutil, "which", lambda name, **more: None if name == "openocd" else found(name, **more))
        with pytest.raises(ToolMissingError, match="openocd"):
            upload_project(write_sample(tmp_path / "real", load_target(FLASHED)))


@needs_arm
def test_an_upload_without_a_board_fails_with_what_the_tool_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openocd = tmp_path / "bin" / "openocd"
    openocd.parent.mkdir()
    openocd.write_text('#!/bin/sh\necho "called with $@" >&2\nexit 1\n')
    openocd.chmod(0o755)
    monkeypatch.setenv("PATH", f"{openocd.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(DeviceError, match=r"firmware\.elf\} verify reset exit"):
        upload_project(write_sample(tmp_path / "p", load_target(FLASHED)))


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    for build in (build_project, build_host):
        with pytest.raises(UsageError, match=r"platformio\.ini"):
            build(tmp_path)


def test_every_tool_of_every_board_is_checked() -> None:
    checks = {check.name: check for check in toolchain_checks()}
    assert {"platformio", "scons", "cc"} <= set(checks)
    for target in list_targets():
        for emulator in target.emulators.values():
            assert target.name in checks[emulator["program"]].needed_for
        compilers = [c for name, c in checks.items() if name.endswith("-gcc") or name.startswith("clang")]
        assert any(target.name in check.needed_for for check in compilers)
    assert all(check.hint for check in checks.values())


@pytest.mark.parametrize("sanitize", [False, True])
def test_the_host_program_runs(sanitize: bool, tmp_path: Path) -> None:
    project = write_sample(tmp_path / "a folder" / "p", load_target(BOARD))
    program = build_host(project, sanitize=sanitize)
    assert program.is_relative_to(project)
    done = subprocess.run([program], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30, check=False)
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("L 1 ")
    modified = program.stat().st_mtime_ns
    assert build_host(project, sanitize=sanitize) == program
    assert program.stat().st_mtime_ns == modified


def test_sanitizers_catch_what_they_should(tmp_path: Path) -> None:
    project = write_sample(tmp_path / "p", load_target(BOARD))
    net = project / "lib" / "tiny" / "src" / "tiny.c"
    past = "static volatile unsigned past = sizeof tiny_arena - 3u;\nint tiny_invoke"
    text = net.read_text().replace("tiny_arena + 32, &x", "tiny_arena + past, &x")
    net.write_text(text.replace("int tiny_invoke", past))
    done = subprocess.run([build_host(project, sanitize=True)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode not in (0, 3)
    assert "AddressSanitizer" in done.stderr or "runtime error" in done.stderr


def pio(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """PlatformIO as a user runs it, in an empty home and without this package on the path."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MCU_GEN_TOOLCHAIN")}
    environment |= {
        "HOME": str(project.parent / "home"),
        "PLATFORMIO_CORE_DIR": str(project.parent / "core"),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "MCU_GEN_EMULATOR_PORT": str(20000 + os.getpid() % 20000),
    }
    command = [sys.executable, "-m", "platformio", *arguments, "-d", str(project)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


@needs_arm
@pytest.mark.qemu
def test_platformio_builds_uploads_and_tests_offline(tmp_path: Path) -> None:
    project = write_sample(tmp_path / "a folder" / "p", load_target(BOARD), counts=(4_000_000_000,) * 100)
    built = pio(project, "run")
    assert built.returncode == 0, built.stdout + built.stderr
    uploaded = pio(project, "run", "-t", "upload")
    assert uploaded.returncode == 0, uploaded.stdout + uploaded.stderr
    assert "socket://127.0.0.1:" in uploaded.stdout
    stopped = pio(project, "run", "-t", "stop")
    assert "emulator stopped" in stopped.stdout
    tested = pio(project, "test")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "5 test cases: 5 succeeded" in tested.stdout


@needs_arm
@pytest.mark.qemu
def test_platformio_reports_a_wrong_result(tmp_path: Path) -> None:
    project = write_sample(tmp_path / "p", load_target(BOARD), wrong=True)
    tested = pio(project, "test")
    assert tested.returncode == 1
    assert "first different element: 0" in tested.stdout
