"""What is installed: compilers, emulators, PlatformIO; and how to get what is missing."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterable
from dataclasses import dataclass

from mcu_gen.targets import Target, list_targets


@dataclass(frozen=True)
class Check:
    """One line of ``doctor``.

    Attributes:
        name: program or Python package.
        found: its path or version; None when it is missing.
        needed_for: what does not work without it.
        hint: the command that installs it.
    """

    name: str
    found: str | None
    needed_for: str
    hint: str


def apt_hint(packages: Iterable[str]) -> str:
    """The command that installs Debian/Ubuntu packages."""
    return f"sudo apt-get install -y --no-install-recommends {' '.join(packages)}"


def first_on_path(programs: Iterable[str]) -> str | None:
    """The first of several program names that is on PATH, as a path."""
    return next((path for path in map(shutil.which, programs) if path), None)


def toolchain_checks() -> list[Check]:
    """Everything that building and emulating the shipped boards can use, each with the boards that need it."""
    checks = [
        _python_package("platformio", "building firmware"),
        _python_package("SCons", "building firmware", "scons"),
    ]
    compiler = first_on_path(("cc", "gcc", "clang"))
    checks.append(Check("cc", compiler, "the host back end (--on host)", apt_hint(["gcc", "libc6-dev"])))
    checks.append(Check("ccache", shutil.which("ccache"), "faster host builds (optional)", apt_hint(["ccache"])))
    gathered: dict[str, tuple[tuple[str, ...], list[str], list[str]]] = {}
    for target in list_targets():
        for name, programs, packages, purpose in _needs(target):
            entry = gathered.setdefault(name, (programs, packages, []))
            entry[2].append(f"{target.name}{purpose}")
    for name, (programs, packages, boards) in gathered.items():
        checks.append(Check(name, first_on_path(programs), f"boards {', '.join(boards)}", apt_hint(packages)))
    checks.append(
        Check("openocd", shutil.which("openocd"), "flashing real boards (pio run -t upload)", apt_hint(["openocd"]))
    )
    return checks


def _needs(target: Target) -> list[tuple[str, tuple[str, ...], list[str], str]]:
    """Program, its alternatives, its packages, and in which respect the board needs it."""
    needs: list[tuple[str, tuple[str, ...], list[str], str]] = []
    toolchains = target.settings.get("toolchains", {})
    preferred = toolchains.get("order", [""])[0]
    for kind in toolchains.get("order", []):
        settings = toolchains[kind]
        if kind == "gcc":
            program = f"{settings['prefix']}gcc"
            needs.append((program, (program,), settings["apt"], ""))
        else:
            purpose = "" if kind == preferred else " (alternative compiler)"
            needs.append((settings["programs"][0], tuple(settings["programs"]), settings["apt"], purpose))
            needs.append(("ld.lld", ("ld.lld-19", "ld.lld"), settings["apt"], purpose))
    for emulator in target.emulators.values():
        needs.append((emulator["program"], (emulator["program"],), [emulator["apt"]], " (emulation)"))
    return needs


def _python_package(module: str, purpose: str, pip_name: str = "") -> Check:
    spec = importlib.util.find_spec(module)
    found = None if spec is None else (spec.origin or module)
    return Check(pip_name or module, found, purpose, f"pip install {pip_name or module}")
