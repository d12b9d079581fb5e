"""Compiles a generated project for the development machine: the same C, with the host's HAL."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mcu_gen.build.process import run_tool
from mcu_gen.build.project import read_project
from mcu_gen.build.tools import apt_hint, first_on_path
from mcu_gen.errors import McuGenError, ToolMissingError
from mcu_gen.resources import resource_dir

_WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
_FLAGS = ("-std=c99", "-O2", "-g", "-ffp-contract=off", "-fno-math-errno", "-fno-common", *_WARNINGS)
_SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")

#: Seconds until one compilation is given up.
DEADLINE = 300.0


def build_host(dir: Path, *, defines: Sequence[str] = (), sanitize: bool = False, compiler: str = "") -> Path:
    """Compile and link a generated project for this machine.

    Objects are kept under ``.pio/host`` by the hash of what they were made from, so a second build with the same
    sources and flags compiles nothing, and variants do not disturb each other.

    Args:
        dir: the project.
        defines: macros, ``NAME`` or ``NAME=VALUE``.
        sanitize: with AddressSanitizer and UndefinedBehaviorSanitizer; a finding ends the program with status 1.
        compiler: the program; the first of cc, gcc, clang on PATH when empty.

    Returns:
        The program.  Its standard input and output are the device's serial line.

    Raises:
        UsageError: the folder is no generated project.
        ToolMissingError: there is no compiler.
        McuGenError: a compile or link error, with its place.
    """
    folder = read_project(Path(dir)).dir.resolve()
    cc = first_on_path([compiler] if compiler else ("cc", "gcc", "clang"))
    if cc is None:
        hints = [apt_hint(["gcc", "libc6-dev"])]
        raise ToolMissingError(f"{compiler or 'a C compiler (cc)'} was not found", where="host build", hints=hints)
    flags = [*_FLAGS, *(_SANITIZE if sanitize else ()), *(f"-D{define}" for define in defines)]
    flags += [f"-I{path}" for path in [*_include_folders(folder), resource_dir("firmware") / "hal" / "host"]]
    flags.append(f"-I{resource_dir('firmware') / 'hal' / 'host'}")  # hal_board.h of the host
    sources = _sources(folder)
    objects_dir = folder / ".pio" / "host"
    objects_dir.mkdir(parents=True, exist_ok=True)
    common = hashlib.sha256("\0".join([cc, *flags]).encode())
    host_headers = sorted((resource_dir("firmware") / "hal" / "host").glob("*.h"))
    for header in [*sorted(folder.glob("lib/**/*.h")), *sorted(folder.glob("src/**/*.h")), *host_headers]:
        common.update(str(header).encode() + b"\0" + header.read_bytes())

    def compile_one(source: Path) -> Path:
        key = common.copy()
        key.update(source.name.encode() + b"\0" + source.read_bytes())
        target = objects_dir / f"{source.stem}-{key.hexdigest()[:20]}.o"
        if not target.is_file():
            ccache = shutil.which("ccache")
            # Relative names keep the folder out of __FILE__ and of sanitizer reports where that is possible.
            name = str(source.relative_to(folder)) if source.is_relative_to(folder) else str(source)
            prefix = [ccache] if ccache else []
            _compile([*prefix, cc, *flags, "-c", name], target, folder)
        return target

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        objects = list(pool.map(compile_one, sources))
    key = hashlib.sha256("\0".join([cc, *flags, *(o.name for o in objects)]).encode()).hexdigest()[:20]
    program = objects_dir / f"program-{key}"
    if not program.is_file():
        _compile([cc, *flags, *map(str, objects), "-lm"], program, folder)
    return program


def _compile(command: list[str], target: Path, folder: Path) -> None:
    """Run a compiler; its output appears under ``target`` only when it is whole."""
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    status, output = run_tool([*command, "-o", str(partial)], phase="host build", deadline=DEADLINE, cwd=folder)
    if status != 0:
        partial.unlink(missing_ok=True)
        lines = [line for line in output.splitlines() if "error" in line or "undefined reference" in line]
        raise McuGenError("\n".join((lines or output.splitlines())[:10]), where="host build")
    partial.replace(target)


def _sources(folder: Path) -> list[Path]:
    """The project's C files without the board's HAL, and the host's HAL."""
    own = [p for p in sorted(folder.glob("lib/*/**/*.c")) if p.parent != folder / "lib" / "mcu_runtime" / "hal"]
    host = resource_dir("firmware") / "hal" / "host" / "host.c"
    return [*own, *sorted(folder.glob("src/**/*.c")), host]


def _include_folders(folder: Path) -> list[Path]:
    libraries = [path for path in sorted((folder / "lib").iterdir()) if path.is_dir()]
    found = [place for library in libraries for place in (library, library / "include", library / "src")]
    return [path.relative_to(folder) for path in found if path.is_dir()]
