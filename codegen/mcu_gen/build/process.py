"""Runs a program with a deadline, and its children with it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from mcu_gen.errors import DeviceError, ToolMissingError


def run_tool(
    command: Sequence[str],
    *,
    phase: str,
    deadline: float,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Run ``command`` and return its exit status and its output (standard output and error together).

    Args:
        command: program and arguments.
        phase: what it does, for error messages.
        deadline: seconds; then the program and all its children are killed.
        cwd: working folder.
        environment: the whole environment; the current one when None.

    Raises:
        ToolMissingError: there is no such program.
        DeviceError: the deadline passed.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError:
        raise ToolMissingError(f"{command[0]} was not found", where=phase) from None
    try:
        output, _ = process.communicate(timeout=deadline)
    except subprocess.TimeoutExpired:
        raise DeviceError(f"no end after {deadline:g} s", where=phase, hints=["is the machine very busy?"]) from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return process.returncode, output
