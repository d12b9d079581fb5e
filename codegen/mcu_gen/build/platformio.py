"""Builds a generated project with PlatformIO, offline, and reads the result from what the linker wrote."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mcu_gen.build.elf import Image, arena_in_map, read_image
from mcu_gen.build.process import run_tool
from mcu_gen.build.project import ProjectInfo, read_project
from mcu_gen.build.stack import StackBound, disassemble, stack_bound
from mcu_gen.build.tools import apt_hint, first_on_path
from mcu_gen.errors import DoesNotFitError, McuGenError, ToolMissingError

#: Seconds until a build is given up.
DEADLINE = 600.0

_OVERFLOW_GNU = re.compile(r"region [`'](\w+)' overflowed by (\d+) bytes?")
_OVERFLOW_LLD = re.compile(r"will not fit in region '(\w+)': overflowed by (\d+) bytes?")
_ERROR = re.compile(r"^(?P<where>[^\s:][^:\n]*:\d+(?::\d+)?): (?:fatal )?error: (?P<what>.*)$", re.MULTILINE)
_LINK_ERROR = re.compile(
    r"^.*(?:undefined reference|undefined symbol|ld: error|ld\.lld: error|multiple definition).*$", re.MULTILINE
)


@dataclass(frozen=True)
class BuildResult:
    """A linked firmware; all sizes in bytes, read from the ELF file.

    Attributes:
        elf, map: the firmware and the linker's map.
        text: code, vectors included.
        rodata: constants in flash.
        data: initialised variables (in RAM, with their initial values in flash).
        bss: variables that start as 0, the arena included.
        arena_bytes: the arena symbol, confirmed by the map file.
        stack_bytes: the reserved stack.
        harness_bytes: buffers of the test harness, outside the product's RAM.
        stack_bound: worst-case stack from the compiler's frame sizes and the call graph of the linked image.
        toolchain: the compiler family that was used.
    """

    elf: Path
    map: Path
    text: int
    rodata: int
    data: int
    bss: int
    arena_bytes: int
    stack_bytes: int
    harness_bytes: int
    stack_bound: StackBound
    toolchain: str

    @property
    def ram_bytes(self) -> int:
        """Everything that the linker places in RAM for the product."""
        return self.data + self.bss + self.stack_bytes

    @property
    def flash_bytes(self) -> int:
        """Everything that the linker places in flash."""
        return self.text + self.rodata + self.data


def build_project(
    dir: Path,
    *,
    env: str = "local",
    defines: Sequence[str] = (),
    variant: str = "",
    toolchain: str = "",
    deadline: float = DEADLINE,
) -> BuildResult:
    """Compile and link a generated project.

    Args:
        dir: the project.
        env: environment of its ``platformio.ini``.
        defines: macros, ``NAME`` or ``NAME=VALUE``.
        variant: name of this set of defines; each variant has a build folder of its own.
        toolchain: ``gcc`` or ``clang``; the board's first one that is installed when empty.
        deadline: seconds until the build is given up.

    Raises:
        UsageError: the folder is no generated project.
        ToolMissingError: PlatformIO or the compiler is missing.
        DoesNotFitError: RAM or flash is too small, or the reserved stack is.
        McuGenError: a compile or link error, with its place.
        DeviceError: the deadline passed.
    """
    project = read_project(Path(dir))
    chosen = toolchain or _installed(project)
    _check_tools(project, chosen)
    build_dir = build_folder(project, variant, toolchain)
    status, output = platformio(
        project, ["-e", env], build_dir, defines=defines, toolchain=chosen, deadline=deadline, phase="build"
    )
    if status != 0:
        raise _failure(output, project.dir.resolve())
    return _result(project, build_dir / env, chosen)


def build_folder(project: ProjectInfo, variant: str, toolchain: str = "") -> Path:
    """Each variant, and each compiler that was asked for by name, has a build folder of its own."""
    names = [name for name in (variant, toolchain) if name]
    return project.dir.resolve() / ".pio" / "-".join(["build", *names])


def platformio(
    project: ProjectInfo,
    arguments: Sequence[str],
    build_dir: Path,
    *,
    defines: Sequence[str],
    toolchain: str,
    deadline: float,
    phase: str,
) -> tuple[int, str]:
    """Run ``pio run`` with private settings; its exit status and its output."""
    folder = project.dir.resolve()
    command = [sys.executable, "-m", "platformio", "run", "-d", str(folder), *arguments]
    environment = _environment(folder, build_dir, defines, toolchain)
    return run_tool(command, phase=f"{phase} of {folder.name}", deadline=deadline, environment=environment)


def _installed(project: ProjectInfo) -> str:
    """The board's first toolchain whose compiler is on PATH, or its first one."""
    toolchains = project.settings["toolchains"]
    return next((kind for kind in toolchains["order"] if not _missing(toolchains[kind])), str(toolchains["order"][0]))


def _missing(settings: dict[str, object]) -> list[str]:
    """Programs of a toolchain that are not on PATH (the same rule as platform/builder/flags.py)."""
    prefix = str(settings.get("prefix") or settings.get("sysroot_of"))
    missing = [] if shutil.which(f"{prefix}gcc") else [f"{prefix}gcc"]
    programs = settings.get("programs")
    if isinstance(programs, list):
        clang = next((name for name in programs if shutil.which(name)), None)
        missing += [] if clang else [programs[0]]
        lld = first_on_path([f"ld.lld{(clang or 'clang')[5:]}", "ld.lld"])
        missing += [] if lld else ["ld.lld"]
    return missing


def _check_tools(project: ProjectInfo, toolchain: str) -> None:
    for module, package in (("platformio", "platformio"), ("SCons", "scons")):
        if importlib.util.find_spec(module) is None:
            raise ToolMissingError(
                f"the Python package {package} is missing", where="build", hints=[f"pip install {package}"]
            )
    toolchains = project.settings["toolchains"]
    if toolchain not in toolchains["order"]:
        offered = ", ".join(toolchains["order"])
        raise McuGenError(f"{project.board} has no toolchain {toolchain!r}; it has: {offered}", where="build")
    missing = _missing(toolchains[toolchain])
    if missing:
        hint = apt_hint(toolchains[toolchain]["apt"])
        raise ToolMissingError(
            f"{', '.join(missing)} not found on PATH", where=f"build for {project.board}", hints=[hint]
        )


def _environment(folder: Path, build_dir: Path, defines: Sequence[str], toolchain: str) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PLATFORMIO_")}
    environment |= {
        # Private: nothing of the user's installation is read or changed.
        "PLATFORMIO_CORE_DIR": str(folder / ".pio" / "core"),
        "PLATFORMIO_BUILD_DIR": str(build_dir),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_SETTING_CHECK_PLATFORMIO_INTERVAL": "10000",
        "PLATFORMIO_NO_ANSI": "true",
        "PLATFORMIO_DISABLE_PROGRESSBAR": "true",
        "MCU_GEN_TOOLCHAIN": toolchain,
        "LC_ALL": "C",
    }
    if defines:
        environment["PLATFORMIO_BUILD_FLAGS"] = " ".join(f"-D{define}" for define in defines)
    return environment


def _failure(output: str, folder: Path) -> McuGenError:
    overflow = _OVERFLOW_GNU.findall(output) or _OVERFLOW_LLD.findall(output)
    if overflow:
        parts = [f"{region} by {int(amount):,} bytes" for region, amount in dict(overflow).items()]
        hints = ["a board with more memory, or a smaller model"]
        return DoesNotFitError(f"the firmware does not fit: over {' and '.join(parts)}", where=folder.name, hints=hints)
    found = _ERROR.search(output)
    if found:
        return McuGenError(f"compile error: {found['what']}", where=found["where"])
    linking = _LINK_ERROR.search(output)
    if linking:
        return McuGenError(f"link error: {linking.group().strip()}", where=folder.name)
    return McuGenError("PlatformIO failed:\n" + "\n".join(output.strip().splitlines()[-15:]), where=folder.name)


def _result(project: ProjectInfo, folder: Path, toolchain: str) -> BuildResult:
    elf, map_file = folder / "firmware.elf", folder / "firmware.map"
    arena = f"{project.network}_arena" if project.network else None
    image = read_image(elf, arena)
    if arena is not None and map_file.is_file():
        mapped = arena_in_map(map_file, arena)
        if mapped is not None and mapped != image.arena_bytes:
            text = f"{arena} has {image.arena_bytes} bytes in the ELF file and {mapped} in the map file"
            raise McuGenError(text, where=str(map_file))
    bound = _stack(project, elf, image, folder, toolchain)
    stack = image.size(".stack")
    if bound.bytes is not None and bound.bytes > stack:
        chain = " > ".join(bound.path)
        raise DoesNotFitError(
            f"the worst-case stack is {bound.bytes:,} bytes, {stack:,} are reserved; deepest chain: {chain}",
            where=f"stack of {project.board}",
            hints=[f"set stack_bytes in the board's manifest to at least {-(-bound.bytes // 16) * 16}"],
        )
    return BuildResult(
        elf=elf,
        map=map_file,
        text=image.size(".vectors") + image.size(".text"),
        rodata=image.size(".rodata"),
        data=image.size(".data"),
        bss=image.size(".bss"),
        arena_bytes=image.arena_bytes,
        stack_bytes=stack,
        harness_bytes=image.size(".harness"),
        stack_bound=bound,
        toolchain=toolchain,
    )


def _stack(project: ProjectInfo, elf: Path, image: Image, folder: Path, toolchain: str) -> StackBound:
    """The bound, from a record beside the ELF file when that has not changed since."""
    settings = project.settings["toolchains"][toolchain]
    objdump = f"{settings.get('prefix') or settings.get('sysroot_of')}objdump"
    if shutil.which(objdump) is None:
        return StackBound(None, (), f"{objdump} is not installed")
    record = folder / "stack.txt"
    key = hashlib.sha256(elf.read_bytes()).hexdigest()
    if record.is_file():
        known, size, reason, *path = record.read_text(encoding="utf-8").split("\n")
        if known == key:
            return StackBound(int(size) if size else None, tuple(path), reason)
    bound = stack_bound(disassemble(objdump, elf), image, folder)
    size = "" if bound.bytes is None else str(bound.bytes)
    record.write_text("\n".join([key, size, bound.reason, *bound.path]), encoding="utf-8")
    return bound
