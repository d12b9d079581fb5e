"""Which compilers, emulators and packages are there, from what the board manifests say they need."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcu_gen.targets import Target, list_targets

#: Seconds that a tool may take to print its version.
_VERSION_DEADLINE_S = 10.0


@dataclass(frozen=True)
class ToolCheck:
    """One thing that may be installed.

    Attributes:
        name: command or package.
        found: whether it is there.
        detail: its version or path; empty when it is not there.
        needed_for: what does not work without it.
        hint: how to get it.
        apt: Debian/Ubuntu packages that hold it.
        optional: whether ordinary work goes on without it.
    """

    name: str
    found: bool
    detail: str
    needed_for: str
    hint: str
    apt: tuple[str, ...] = ()
    optional: bool = False


def version_line(command: str) -> str:
    """The first line of ``command --version`` (the path when it prints none)."""
    path = shutil.which(command) or command
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, errors="replace", timeout=_VERSION_DEADLINE_S,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return path
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0].strip() if lines else path


@dataclass
class _Need:
    """A tool with everything that needs it."""

    programs: tuple[str, ...]  # any of them will do
    apt: list[str] = field(default_factory=list)
    boards: list[str] = field(default_factory=list)

    def check(self, purpose: str, *, optional: bool) -> ToolCheck:
        present = next((p for p in self.programs if shutil.which(p)), None)
        packages = tuple(dict.fromkeys(self.apt))
        return ToolCheck(
            name=present or self.programs[0],
            found=present is not None,
            detail=version_line(present) if present else "",
            needed_for=f"{purpose} {', '.join(self.boards)}",
            hint=f"apt-get install {' '.join(packages)}",
            apt=packages,
            optional=optional,
        )


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(v) for v in value or ()]


def _compilers(targets: Iterable[Target]) -> list[ToolCheck]:
    """The compilers that boards name: preferred ones are needed, second choices optional."""
    needs: dict[tuple[str, ...], _Need] = {}
    preferred: set[tuple[str, ...]] = set()
    for target in targets:
        toolchains: Mapping[str, Any] = target.manifest["mcu_gen"]["toolchains"]
        for position, kind in enumerate(toolchains["order"]):
            settings = toolchains[kind]
            programs = (f"{settings['prefix']}gcc",) if kind == "gcc" else tuple(settings["programs"])
            need = needs.setdefault(programs, _Need(programs))
            need.apt += _texts(settings["apt"])
            if position == 0:
                preferred.add(programs)
                need.boards.append(target.name)
    for programs, need in needs.items():
        if programs not in preferred:
            need.boards = ["boards, as a second compiler"]
    return [n.check("building for", optional=p not in preferred) for p, n in needs.items()]


def _emulators(targets: Iterable[Target]) -> list[ToolCheck]:
    needs: dict[str, _Need] = {}
    renode: list[str] = []
    for target in targets:
        qemu = target.emulators.get("qemu")
        if qemu is not None:
            need = needs.setdefault(qemu["program"], _Need((qemu["program"],)))
            need.apt += _texts(qemu["apt"])
            need.boards.append(target.name)
        if "renode" in target.emulators:
            renode.append(target.name)
    checks = [n.check("running", optional=False) for n in needs.values()]
    if renode:
        path = os.environ.get("RENODE") or shutil.which("renode")
        found = path is not None and shutil.which(path) is not None
        checks.append(
            ToolCheck("renode", found, path or "" if found else "", f"running {', '.join(renode)} (--on renode)",
                      "https://renode.io/#downloads, then put it on PATH or set RENODE", optional=True)
        )  # fmt: skip
    return checks


def _package(name: str, needed_for: str, *, extra: str = "", optional: bool = False) -> ToolCheck:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        version = ""
    hint = f"pip install 'mcu-gen[{extra}]'" if extra else f"pip install {name}"
    return ToolCheck(name, bool(version), version, needed_for, hint, optional=optional)


def _host_compiler() -> ToolCheck:
    need = _Need(("cc", "gcc", "clang"), ["gcc", "libc6-dev"], ["on the development machine (--on host)"])
    return need.check("building and running", optional=False)


def check_tools() -> list[ToolCheck]:
    """Everything that mcu-gen can make use of, required things first within each kind."""
    targets = list_targets()
    python = ToolCheck("python", True, f"{sys.version.split()[0]} ({sys.executable})", "everything", "")
    return [
        python,
        _host_compiler(),
        *_compilers(targets),
        *_emulators(targets),
        _package("platformio", "building projects with pio"),
        _package("scons", "building projects offline, in the local environment"),
        _package("ai-edge-litert", "the oracle of `validate`"),
        _package("tflite-micro", "arena figures of TensorFlow Lite Micro, `validate --oracle tflm`",
                 extra="tflm", optional=True),
        _package("tensorflow-cpu", "reading Keras models (.keras, .h5, SavedModel)", extra="keras", optional=True),
    ]  # fmt: skip


def apt_command(checks: Iterable[ToolCheck]) -> str:
    """One command that installs everything that is missing and comes from apt; empty when nothing is missing."""
    packages = dict.fromkeys(p for c in checks if not c.found for p in c.apt)
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get install --no-install-recommends {' '.join(packages)}" if packages else ""
