"""Boards in Renode: a ``.resc`` script from the board's manifest, serial line over a TCP terminal of Renode's.

Section ``mcu_gen.emulators.renode`` of a manifest has ``platform`` (a ``.repl`` file, as Renode finds it), ``uart``
(the peripheral that is the serial line, ``sysbus.usart2``) and optionally ``setup`` (monitor commands that run before
the firmware is loaded).
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any

from mcu_gen.errors import DeviceError, ToolMissingError, UsageError
from mcu_gen.run.device import Device, Limits
from mcu_gen.run.streams import ProcessStream, SerialStream
from mcu_gen.targets.target import Target

_SCRIPT = """\
mach create "mcu-gen"
machine LoadPlatformDescription @{platform}
emulation CreateServerSocketTerminal {port} "link" false
connector Connect {uart} link
{setup}sysbus LoadELF @{elf}
start
"""


def find_renode() -> Path:
    """The program: ``$RENODE``, or ``renode`` on PATH.

    Raises:
        ToolMissingError: there is none, or ``$RENODE`` names none.
    """
    named = os.environ.get("RENODE")
    found = shutil.which(named or "renode")
    if found is None:
        what = f"$RENODE names {named!r}, which is no program" if named else "renode was not found on PATH"
        hints = ["install Renode 1.16 or later from https://renode.io and set RENODE to its program"]
        raise ToolMissingError(what, where="Renode", hints=hints)
    return Path(found)


def renode_script(elf: Path, settings: dict[str, Any], port: int) -> str:
    """The ``.resc`` script that runs ``elf`` with its serial line on a TCP port."""
    setup = "".join(f"{line}\n" for line in settings.get("setup", ()))
    return _SCRIPT.format(platform=settings["platform"], uart=settings["uart"], port=port, setup=setup, elf=elf)


class _RenodeStream:
    """Renode's process and the connection to its terminal, which live and end together."""

    def __init__(self, script: str, port: int, *, name: str, start_s: float) -> None:
        self.name = name
        self._folder = tempfile.TemporaryDirectory(prefix="mcu-gen-renode-")
        self._line: SerialStream | None = None
        self._process: ProcessStream | None = None
        self._said = ""  # the end of what Renode's monitor printed
        try:
            path = Path(self._folder.name) / "run.resc"
            path.write_text(script)
            command = [str(find_renode()), "--disable-xwt", "--console", "--plain", "-e", f"i @{path}"]
            self._process = ProcessStream(command, name=name)
            self._line = SerialStream(f"socket://127.0.0.1:{port}", open_deadline_s=start_s)
        except BaseException as error:
            why = self._why()
            self.close()
            if why and isinstance(error, DeviceError):
                raise DeviceError(f"did not open its terminal in {start_s:g} s{why}", where=name) from None
            raise

    def write(self, data: bytes, timeout_s: float) -> None:
        assert self._line is not None
        self._line.write(data, timeout_s)

    def read(self, timeout_s: float) -> bytes:
        assert self._line is not None
        self._listen()
        try:
            return self._line.read(timeout_s)
        except DeviceError as error:
            raise DeviceError(f"{error.message}{self._why()}", where=self.name) from None

    def close(self) -> None:
        for part in (self._line, self._process):
            if part is not None:
                part.close()
        self._folder.cleanup()

    def _listen(self) -> None:
        """Takes what the monitor printed; a full pipe would stop Renode."""
        assert self._process is not None
        while text := self._process.read(0.0):
            self._said = (self._said + text.decode(errors="replace"))[-500:]

    def _why(self) -> str:
        """What Renode said or how it ended, for an error."""
        if self._process is None:
            return ""
        try:
            self._listen()
        except DeviceError as error:
            return f": {error.message}: {self._said.strip()}"
        return f": {self._said.strip()}" if self._said.strip() else ""


def open_renode(elf: Path, target: Target, *, fp16: bool = False, limits: Limits | None = None) -> Device:
    """Starts ``elf`` on the board in Renode.

    Args:
        elf: the linked firmware.
        target: the board.
        fp16: the firmware computes in FP16.
        limits: deadlines.

    Raises:
        UsageError: Renode cannot run this board, this firmware, or there is no such file.
        ToolMissingError: Renode is not installed.
    """
    settings = target.emulators.get("renode")
    if settings is None:
        can = ", ".join(sorted(target.emulators)) or "none"
        raise UsageError(f"board {target.name} has no Renode platform (its emulators: {can})", where="--on renode")
    if fp16 and "fp16_native" in target.features and target.cpu.lower().startswith("cortex-m"):
        raise UsageError(
            "Renode computes FP16 on Cortex-M wrongly (scalar) or not at all (vector)",
            where="--on renode",
            hints=["use --on qemu", "use a float32 or int8 model"],
        )
    if not elf.is_file():
        raise UsageError("there is no such firmware", where=str(elf), hints=["build the project first"])
    chosen = limits or Limits(start=60.0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    script = renode_script(elf.resolve(), settings, port)
    stream = _RenodeStream(script, port, name=f"Renode ({target.name})", start_s=chosen.start)
    return Device(stream, limits=chosen)
