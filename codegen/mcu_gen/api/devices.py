"""Opens what ``--on`` names: builds the project the way that it needs and connects to it."""

from __future__ import annotations

from mcu_gen.api.projects import ProjectFile
from mcu_gen.build import build_host, build_project
from mcu_gen.build.upload import upload_project
from mcu_gen.errors import UsageError
from mcu_gen.run.device import Device
from mcu_gen.run.local import open_host, open_serial
from mcu_gen.run.qemu import open_qemu
from mcu_gen.run.renode import open_renode
from mcu_gen.targets import Target, read_manifest

EMULATORS = ("qemu", "renode")

#: Guard bytes before and behind the arena in builds that check them, and their alignment.
GUARD_BYTES, GUARD_ALIGN = 64, 16


def target_of(project: ProjectFile) -> Target:
    """The board of a project, from the manifest that travels inside it."""
    return read_manifest(project.dir / "platform" / "boards" / f"{project.board}.json")


def guard_room(project: ProjectFile) -> int:
    """Guard bytes for which there is room on each side of the arena: a limit of ``--max-ram`` holds for them too."""
    plan = project.data["plan"]
    if plan["max_ram"] is None:
        return GUARD_BYTES
    room = (int(plan["max_ram"]) - int(plan["ram_bytes"]) - GUARD_ALIGN + 1) // 2
    return max(0, min(GUARD_BYTES, room // GUARD_ALIGN * GUARD_ALIGN))


def _variant(project: ProjectFile, *, hooks: bool, guard: int) -> tuple[list[str], str]:
    """Macros of a build and the name of its folder."""
    prefix = project.network.upper()
    defines = [f"{prefix}_HOOKS"] if hooks else []
    defines += [f"{prefix}_GUARD={guard}"] if guard else []
    return defines, "-".join(n for n, on in (("hooks", hooks), ("guard", guard > 0)) if on)


def check_place(on: str, target: Target) -> None:
    """Refuses an emulator that cannot run the board, and a word that is neither an emulator nor a port.

    Raises:
        UsageError: with what would work.
    """
    can = ["host", *sorted(target.emulators), "a serial port"]
    if on in EMULATORS and on not in target.emulators:
        raise UsageError(f"board {target.name} has no {on} machine", where="--on", hints=[f"use {', '.join(can)}"])
    port = "/" in on or "://" in on or on.upper().startswith("COM")
    if on not in ("host", *EMULATORS) and not port:
        raise UsageError(
            f"{on!r} is neither host, qemu, renode nor a serial port", where="--on", hints=[f"use {', '.join(can)}"]
        )


def open_device(
    project: ProjectFile, on: str, *, hooks: bool = False, guard: bool = False, flash: bool = False
) -> Device:
    """A device that runs the project, built and started as needed; use it as a context manager.

    Args:
        project: a generated project.
        on: ``host`` (the same C compiled for this machine), ``qemu``, ``renode``, or a serial port.
        hooks: call the hook after every layer (profiles, outputs of single layers).
        guard: guard bytes around the arena, as many as the RAM limit of the project leaves room for (on the host: all).
        flash: upload to a board on a serial port first; otherwise what is on it is used.

    Raises:
        UsageError: ``on`` is not possible for this board.
        ToolMissingError: a compiler or the emulator is missing.
        DeviceError: it does not start or does not answer in time.
    """
    target = target_of(project)
    check_place(on, target)
    room = GUARD_BYTES if on == "host" else guard_room(project)
    defines, variant = _variant(project, hooks=hooks, guard=room if guard else 0)
    if on == "host":
        return open_host(build_host(project.dir, defines=defines))
    if on in EMULATORS:
        elf = build_project(project.dir, defines=defines, variant=variant).elf
        return open_qemu(elf, target) if on == "qemu" else open_renode(elf, target)
    if flash or hooks:
        upload_project(project.dir, defines=defines, variant=variant)
    return open_serial(on)
