"""Uploads a built firmware to a board on a cable."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from mcu_gen.build.platformio import _environment, _installed
from mcu_gen.build.process import run_tool
from mcu_gen.build.project import read_project
from mcu_gen.errors import DeviceError, ToolMissingError, UsageError

#: Seconds until an upload is given up.
DEADLINE = 300.0


def upload_project(
    dir: Path,
    *,
    port: str | None = None,
    env: str = "local",
    defines: Sequence[str] = (),
    variant: str = "",
    deadline: float = DEADLINE,
) -> None:
    """Flash a generated project with PlatformIO; it is built first where that is needed.

    Args:
        dir, env, defines, variant: as for :func:`mcu_gen.build.build_project`.
        port: serial port or probe, as PlatformIO's ``--upload-port``.
        deadline: seconds until the upload is given up.

    Raises:
        UsageError: the folder is no generated project, or its board exists only in an emulator.
        ToolMissingError: the programmer is not installed.
        DeviceError: the board did not answer, or the upload failed.
    """
    project = read_project(Path(dir))
    folder = project.dir.resolve()
    if project.manifest["upload"].get("protocol") == "emulator":
        raise UsageError(
            f"board {project.board} exists only in an emulator: there is nothing to flash",
            where=str(dir),
            hints=[f"mcu-gen run {dir} --on qemu --input X.npy -o Y.npy"],
        )
    chosen = _installed(project)
    build_dir = folder / ".pio" / ("build" if not variant else f"build-{variant}-{chosen}")
    command = [sys.executable, "-m", "platformio", "run", "-d", str(folder), "-e", env, "-t", "upload"]
    command += ["--upload-port", port] if port else []
    status, output = run_tool(
        command, phase=f"upload to {project.board}", deadline=deadline,
        environment=_environment(folder, build_dir, defines, chosen),
    )  # fmt: skip
    if status == 0:
        return
    lines = [line for line in output.strip().splitlines() if line.strip()]
    tail = "\n".join(lines[-8:])
    if "not found" in tail and "openocd" in tail:
        raise ToolMissingError("openocd was not found", where="upload", hints=["sudo apt-get install openocd"])
    raise DeviceError(
        f"the upload failed:\n{tail}",
        where=f"upload to {project.board}",
        hints=["is the board connected and its probe free?", "name the port with --port"],
    )
