"""Devices that need no emulator: the host build as a child process, and boards on a serial port."""

from __future__ import annotations

from pathlib import Path

from mcu_gen.errors import UsageError
from mcu_gen.run.device import Device, Limits
from mcu_gen.run.streams import ProcessStream, SerialStream

#: Sanitizers end the program on a finding; what they print belongs in the error.
_SANITIZER_ENV = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1"}


def open_host(program: Path, *, limits: Limits | None = None) -> Device:
    """Starts a host build; the serial line is its standard input and output.

    Raises:
        UsageError: there is no such program.
        DeviceError: it cannot be started.
    """
    if not Path(program).is_file():
        raise UsageError("there is no such program", where=str(program), hints=["build the project first"])
    return Device(ProcessStream([str(program)], name="host", env=_SANITIZER_ENV), limits=limits)


def open_serial(url: str, *, baud: int = 115200, limits: Limits | None = None) -> Device:
    """Connects to a board that runs the firmware already.

    Args:
        url: a port (``/dev/ttyACM0``, ``COM3``) or a URL of pyserial (``socket://127.0.0.1:5599``).
        baud: bits per second.
        limits: deadlines; by default they leave the line four times the time that it needs.

    Raises:
        DeviceError: the port cannot be opened.
    """
    # Short reads: an answer that arrives damaged is asked for again as a whole.
    chosen = limits or Limits(start=10.0, bytes_per_s=baud / 40, read_bytes=1024)
    return Device(SerialStream(url, baud=baud), limits=chosen)
