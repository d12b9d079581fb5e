"""Builds of a generated project."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mcu_gen.api.projects import open_project
from mcu_gen.build import BuildResult, build_project
from mcu_gen.build.upload import upload_project


def _relative(path: Path, folder: Path) -> str:
    """``path`` below ``folder``: what is written into a project names no path of this machine."""
    return os.path.relpath(path, folder.resolve())


def build_data(result: BuildResult) -> dict[str, Any]:
    """The sizes of a build, in bytes, as plain data."""
    return {
        "text": result.text,
        "rodata": result.rodata,
        "data": result.data,
        "bss": result.bss,
        "arena_bytes": result.arena_bytes,
        "stack_bytes": result.stack_bytes,
        "stack_bound_bytes": result.stack_bound.bytes,
        "ram_bytes": result.ram_bytes,
        "flash_bytes": result.flash_bytes,
        "harness_bytes": result.harness_bytes,
        "toolchain": result.toolchain,
    }


def build(folder: str | Path) -> dict[str, Any]:
    """Compiles and links a project; notes the sizes in its ``mcu-gen.json``.

    Returns:
        the ``data`` of the verb ``build``: ``elf``, ``map``, and the sizes in bytes from what the linker wrote.

    Raises:
        UsageError: the folder is no generated project.
        ToolMissingError: PlatformIO or a compiler is missing.
        DoesNotFitError: the linker found RAM or flash too small.
    """
    project = open_project(folder)
    result = build_project(project.dir)
    sizes = build_data(result)
    project.record(build={"elf": _relative(result.elf, project.dir), **sizes})
    return {"elf": str(result.elf), "map": str(result.map), **sizes}


def flash(folder: str | Path, *, port: str | None = None) -> dict[str, Any]:
    """Builds a project and uploads it to its board.

    Args:
        folder: the project.
        port: serial port or probe; PlatformIO looks for one when left out.

    Returns:
        the ``data`` of the verb ``flash``: ``board``, ``port``.

    Raises:
        UsageError: the board exists only in an emulator.
        DeviceError: the upload failed.
    """
    project = open_project(folder)
    upload_project(project.dir, port=port)
    return {"board": project.board, "port": port}
