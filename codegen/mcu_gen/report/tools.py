"""What ``mcu-gen doctor`` shows: tools and packages with their versions, and one command for what is missing."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from mcu_gen.build.tools import Check, apt_hint, toolchain_checks
from mcu_gen.frontends.tensorflow_python import VARIABLE, tensorflow_version

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


#: A version in what a tool prints about itself: the last number with dots of its first line.
_VERSION = re.compile(r"\d+(?:\.\d+)+")


def tool_version(program: str) -> str:
    """The version that ``program --version`` prints (the path itself when it prints none)."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, errors="replace", timeout=_VERSION_DEADLINE_S,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return program
    first = (done.stdout or done.stderr).strip().split("\n")[0]
    outside = re.sub(r"\([^)]*\)", "", first)  # distributions write package versions in parentheses
    found = _VERSION.findall(outside) or _VERSION.findall(first)
    return found[-1] if found else program


def _purpose(text: str) -> str:
    """``boards a, b (alternative compiler), c (alternative compiler)`` as ``boards a; second compiler of 2 boards``."""
    if not text.startswith("boards "):
        return text
    names = [name.replace(" (emulation)", "") for name in text.removeprefix("boards ").split(", ")]
    first = [name for name in names if "(alternative" not in name]
    second = len(names) - len(first)
    parts = [f"boards {', '.join(first)}"] if first else []
    return "; ".join(parts + ([f"second compiler of {second} boards"] if second else []))


def _program(check: Check) -> ToolCheck:
    found = check.found is not None and os.access(check.found, os.X_OK)
    optional = check.name in _OPTIONAL or all("alternative" in b for b in check.needed_for.split(", "))
    detail = tool_version(check.found) if found and check.found else ""
    return ToolCheck(check.name, found, detail, _purpose(check.needed_for), check.hint, optional)


def _package(name: str, needed_for: str, *, extra: str = "", optional: bool = False) -> ToolCheck:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        version = ""
    hint = f"pip install 'mcu-gen[{extra}]'" if extra else f"pip install {name}"
    return ToolCheck(name, bool(version), version, needed_for, hint, optional)


def _tensorflow() -> ToolCheck:
    version = tensorflow_version()
    named = os.environ.get(VARIABLE)
    detail = (version or "") + (f", {named}" if version and named else "")
    hint = f"pip install 'mcu-gen[keras]', or {VARIABLE}=PYTHON"
    needed = "reading Keras models (.keras, .h5, SavedModel), the oracle of `validate --train`"
    return ToolCheck("tensorflow", version is not None, detail, needed, hint, optional=True)


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
        _tensorflow(),
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
