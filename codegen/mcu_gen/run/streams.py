"""Streams of bytes to devices: a child process (host build or emulator) and a serial port."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import IO, Any

from mcu_gen.errors import DeviceError, ToolMissingError

_LOG_BYTES = 2000
_PR_SET_PDEATHSIG = 1

_running: weakref.WeakSet[ProcessStream] = weakref.WeakSet()


def _die_with_parent() -> None:
    """In the child: end when the parent does, however it ends (Linux; elsewhere only ordinary exits are covered)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class ProcessStream:
    """A child process whose standard input and output are the serial line.

    The process is killed by :meth:`close`, when the interpreter exits, and on Linux when our process dies.

    Args:
        command: program and arguments.
        name: what errors call it.
        env: additional environment variables.
    """

    def __init__(self, command: Sequence[str], *, name: str, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed by close()
        # The signal is tied to the thread that starts the process, so only the main thread's lifetime is right for it.
        tied = sys.platform == "linux" and threading.current_thread() is threading.main_thread()
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                bufsize=0,
                start_new_session=True,
                env={**os.environ, **(env or {})},
                preexec_fn=_die_with_parent if tied else None,
            )
        except FileNotFoundError:
            self._log.close()
            raise ToolMissingError(f"program {command[0]!r} was not found", where=name) from None
        except OSError as error:
            self._log.close()
            raise DeviceError(f"{command[0]!r} cannot be started: {error.strerror}", where=name) from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        _running.add(self)

    @property
    def pid(self) -> int:
        return self._process.pid

    def write(self, data: bytes, timeout_s: float) -> None:
        end = time.monotonic() + timeout_s
        view = memoryview(data)
        while view:
            _, writable, _ = select.select([], [self._in], [], max(0.0, end - time.monotonic()))
            if not writable:
                raise DeviceError(f"took no more input for {timeout_s:g} s", where=self.name)
            try:
                view = view[os.write(self._in, view) :]
            except BrokenPipeError:
                raise self._gone() from None

    def read(self, timeout_s: float) -> bytes:
        readable, _, _ = select.select([self._out], [], [], timeout_s)
        if not readable:
            return b""
        data = os.read(self._out, 1 << 16)
        if not data:
            raise self._gone()
        return data

    def wait(self, timeout_s: float) -> int | None:
        """The exit status when the process ends within ``timeout_s``, else None."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def log(self) -> str:
        """The end of what the process wrote to standard error."""
        if self._log.closed:
            return ""
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - _LOG_BYTES))
        return self._log.read().decode(errors="replace").strip()

    def close(self) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        _running.discard(self)

    def _gone(self) -> DeviceError:
        status = self.wait(1.0)
        if status is None:
            how = "closed its side of the line"
        elif status < 0:
            how = f"was ended by {signal.Signals(-status).name}"
        else:
            how = f"ended with status {status}"
        log = self.log()
        return DeviceError(f"the program {how}" + (f": {log}" if log else ""), where=self.name)


@atexit.register
def _close_all() -> None:
    for stream in list(_running):
        stream.close()


class SerialStream:
    """A serial port, or anything else pyserial opens (``/dev/ttyACM0``, ``COM3``, ``socket://host:port``).

    Args:
        url: what pyserial calls the port.
        baud: bits per second.
        open_deadline_s: how long opening is tried again; an emulator's socket may need a moment.
    """

    def __init__(self, url: str, *, baud: int = 115200, open_deadline_s: float = 5.0) -> None:
        import serial

        self.name = url
        self._errors = (serial.SerialException, OSError)
        self._port: Any = None
        end = time.monotonic() + open_deadline_s
        while True:
            try:
                self._port = serial.serial_for_url(url, baudrate=baud, timeout=0)
                return
            except (serial.SerialException, OSError) as error:
                if "://" not in url or time.monotonic() > end:
                    hints = ["list the ports with: python -m serial.tools.list_ports"]
                    raise DeviceError(f"the port cannot be opened: {error}", where=url, hints=hints) from None
                time.sleep(0.05)
            except ValueError as error:
                raise DeviceError(f"no such port: {error}", where=url) from None

    def write(self, data: bytes, timeout_s: float) -> None:
        import serial

        self._port.write_timeout = timeout_s
        try:
            self._port.write(data)
        except serial.SerialTimeoutException:
            raise DeviceError(f"took no more data for {timeout_s:g} s", where=self.name) from None
        except self._errors as error:
            raise DeviceError(f"the connection was lost: {error}", where=self.name) from None

    def read(self, timeout_s: float) -> bytes:
        try:
            self._port.timeout = timeout_s
            first = bytes(self._port.read(1))
            if not first:
                return b""
            self._port.timeout = 0
            return first + bytes(self._port.read(1 << 14))
        except self._errors as error:
            raise DeviceError(f"the connection was lost: {error}", where=self.name) from None

    def close(self) -> None:
        if self._port is not None:
            with contextlib.suppress(*self._errors):
                self._port.close()
