"""What ``mcu-gen doctor`` shows: tools and packages with their versions, and one command for what is missing."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from mcu_gen.build.tools import Check, apt_hint, toolchain_checks

#: Seconds that a tool may take to print its version.
_VERSION_DEADLINE_S = 10.0

#: Tools without which ordinary work goes on.
_OPTIONAL = ("ccache", "openocd", "renode")


@dataclass(frozen=True)
class ToolCheck:
    """One thing that may be installed.

    Attributes:
        name: command or package.
        found: whether it is there.
        detail: its version or path; empty when it is not there.
        needed_for: what does not work without it.
        hint: how to get it.
        optional: whether ordinary work goes on without it.
    """

    name: str
    found: bool
    detail: str
    needed_for: str
    hint: str
    optional: bool = False


def version_line(program: str) -> str:
    """The first line of ``program --version`` (the path itself when it prints none)."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, errors="replace", timeout=_VERSION_DEADLINE_S,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return program
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0].strip() if lines else program


def _program(check: Check) -> ToolCheck:
    found = check.found is not None and os.access(check.found, os.X_OK)
    optional = check.name in _OPTIONAL or all("alternative" in b for b in check.needed_for.split(", "))
    detail = version_line(check.found) if found and check.found else ""
    return ToolCheck(check.name, found, detail, check.needed_for, check.hint, optional)


def _package(name: str, needed_for: str, *, extra: str = "", optional: bool = False) -> ToolCheck:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        version = ""
    hint = f"pip install 'mcu-gen[{extra}]'" if extra else f"pip install {name}"
    return ToolCheck(name, bool(version), version, needed_for, hint, optional)


def check_tools() -> list[ToolCheck]:
    """Python, the packages, and every compiler and emulator that a board names."""
    packages = [
        _package("platformio", "building firmware"),
        _package("scons", "building firmware offline"),
        _package("ai-edge-litert", "the oracle of `validate`"),
        _package(
            "tflite-micro",
            "the figures of TensorFlow Lite Micro, `validate --oracle tflm`",
            extra="tflm",
            optional=True,
        ),
        _package("tensorflow-cpu", "reading Keras models (.keras, .h5, SavedModel)", extra="keras", optional=True),
    ]
    of_pip = {"platformio", "scons"}
    programs = [_program(c) for c in toolchain_checks() if c.name not in of_pip]
    return [
        ToolCheck("python", True, f"{sys.version.split()[0]}, {sys.executable}", "everything", ""),
        *packages,
        *programs,
    ]


def apt_command(checks: Iterable[ToolCheck]) -> str:
    """One command that installs everything that is missing and comes from apt; empty when nothing is missing."""
    start = apt_hint([])
    wanted = dict.fromkeys(
        package for c in checks if not c.found and c.hint.startswith(start) for package in c.hint[len(start) :].split()
    )
    command = apt_hint(wanted) if wanted else ""
    return command.removeprefix("sudo ") if os.geteuid() == 0 else command
