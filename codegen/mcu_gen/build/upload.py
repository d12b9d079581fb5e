"""Flashes a real board through PlatformIO."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from mcu_gen.build.platformio import build_folder, build_project, platformio
from mcu_gen.build.project import read_project
from mcu_gen.build.tools import apt_hint
from mcu_gen.errors import DeviceError, ToolMissingError, UsageError

#: Seconds until an upload is given up.
DEADLINE = 120.0


def upload_project(
    dir: Path, *, port: str | None = None, defines: Sequence[str] = (), variant: str = "", deadline: float = DEADLINE
) -> None:
    """Build a project and write it to its board.

    Args:
        dir: the project.
        port: serial port or probe for PlatformIO's ``--upload-port``; found automatically when None.
        defines: macros of the build, ``NAME`` or ``NAME=VALUE``.
        variant: name of this set of defines, as in :func:`~mcu_gen.build.platformio.build_project`.
        deadline: seconds until the upload is given up.

    Raises:
        UsageError: the folder is no generated project, or its board exists only in an emulator, or has a start-up of
            its own.
        ToolMissingError: PlatformIO, the compiler or OpenOCD is missing.
        DeviceError: the upload failed or did not end in time.
    """
    project = read_project(Path(dir))
    if project.settings["emulators"]:
        hints = [f"run it there: --on {' or --on '.join(project.settings['emulators'])}"]
        raise UsageError(
            f"{project.board} exists only in an emulator, there is nothing to flash", where="--board", hints=hints
        )
    library = project.settings.get("library")
    if library:
        raise UsageError(f"{project.board} is not flashed from here: {library}", where="--board")
    built = build_project(project.dir, defines=defines, variant=variant)
    if project.manifest["upload"].get("protocol") == "openocd" and shutil.which("openocd") is None:
        raise ToolMissingError("openocd was not found on PATH", where="upload", hints=[apt_hint(["openocd"])])
    arguments = ["-e", "local", "-t", "upload", *(["--upload-port", port] if port else [])]
    status, output = platformio(
        project,
        arguments,
        build_folder(project, variant),
        defines=defines,
        toolchain=built.toolchain,
        deadline=deadline,
        phase="upload",
    )
    if status != 0:
        tail = "\n".join(output.strip().splitlines()[-12:])
        hints = ["is the board connected, and may this user access its debug probe (udev rules)?"]
        raise DeviceError(f"the upload failed:\n{tail}", where=project.board, hints=hints)
