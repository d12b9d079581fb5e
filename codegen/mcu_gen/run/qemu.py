"""Boards in QEMU: started from the board's manifest, serial line over pipes, bulk memory shared through a file."""

from __future__ import annotations

import contextlib
import mmap
import shutil
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

from mcu_gen.errors import DeviceError, ToolMissingError, UsageError
from mcu_gen.run.device import Device, Limits
from mcu_gen.run.streams import ProcessStream
from mcu_gen.targets.target import Target


class SharedFile:
    """Guest memory that QEMU keeps in a file of ours (``memory-backend-file``).

    Reading and writing it costs nothing on the serial line (which takes 15 kB/s) and needs no restart, as QEMU's loader
    device would.

    Args:
        base: guest address of its first byte.
        size: bytes; the file is sparse, so only what is used exists.
    """

    def __init__(self, base: int, size: int) -> None:
        self.base, self.size = base, size
        self._folder = tempfile.TemporaryDirectory(prefix="mcu-gen-qemu-")
        self.path = Path(self._folder.name) / "memory"
        with self.path.open("w+b") as file:
            file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size)

    def write(self, address: int, data: bytes) -> None:
        at = self._offset(address, len(data))
        self._map[at : at + len(data)] = data

    def read(self, address: int, length: int) -> bytes:
        at = self._offset(address, length)
        return self._map[at : at + length]

    def close(self) -> None:
        """Removes the file.  Can be called twice."""
        self._map.close()
        self._folder.cleanup()

    def _offset(self, address: int, length: int) -> int:
        offset = address - self.base
        if offset < 0 or offset + length > self.size:
            place = f"the shared memory of {self.size} bytes at 0x{self.base:x}"
            raise DeviceError(f"{length} bytes at 0x{address:x} do not lie in {place}")
        return offset


class _QemuStream(ProcessStream):
    """The emulator with the file of its memory, which ends with it."""

    def __init__(self, command: list[str], *, name: str, memory: SharedFile | None) -> None:
        self._memory = memory
        try:
            super().__init__(command, name=name)
        except BaseException:
            self._close_memory()
            raise

    def close(self) -> None:
        super().close()
        self._close_memory()

    def _close_memory(self) -> None:
        if self._memory is not None:
            with contextlib.suppress(OSError):
                self._memory.close()


def open_qemu(elf: Path, target: Target, *, limits: Limits | None = None, count_instructions: bool = True) -> Device:
    """Starts ``elf`` on the emulated board.

    Args:
        elf: the linked firmware.
        target: the board; section ``mcu_gen.emulators.qemu`` of its manifest says how to start it.
        limits: deadlines.
        count_instructions: run with QEMU's instruction counter, so that ticks are exact counts of instructions.

    Raises:
        UsageError: the board cannot be emulated by QEMU, or there is no such firmware.
        ToolMissingError: QEMU is not installed.
    """
    settings = target.emulators.get("qemu")
    if settings is None:
        can = ", ".join(sorted(target.emulators)) or "none"
        raise UsageError(f"board {target.name} has no QEMU machine (its emulators: {can})", where="--on qemu")
    program = shutil.which(settings["program"])
    if program is None:
        hints = [f"sudo apt-get install {settings['apt']}"]
        raise ToolMissingError(f"{settings['program']} was not found on PATH", where="QEMU", hints=hints)
    if not elf.is_file():
        raise UsageError("there is no such firmware", where=str(elf), hints=["build the project first"])
    command = [program, *settings["args"]]
    if count_instructions:
        command += settings["icount"]
    memory = _shared_memory(settings)
    if memory is not None:
        backend = f"memory-backend-file,id=mcu-gen,size={memory.size},mem-path={memory.path},share=on"
        command += ["-object", backend, "-machine", "memory-backend=mcu-gen"]
    command += ["-chardev", "stdio,id=link,signal=off", "-serial", "chardev:link", settings["image_option"], str(elf)]
    stream = _QemuStream(command, name=f"QEMU ({target.name})", memory=memory)
    ratio = settings["instructions_per_tick"] if count_instructions else None
    return Device(
        stream,
        instructions_per_tick=None if ratio is None else Fraction(*ratio),
        bulk=memory,
        limits=limits,
    )


def _shared_memory(settings: dict[str, Any]) -> SharedFile | None:
    """The machine's main memory where the manifest says that it holds the bulk region."""
    described = settings.get("shared_memory")
    if described is None:
        return None
    return SharedFile(int(str(described["base"]), 0), int(described["size"]))
