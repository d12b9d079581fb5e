"""The Python that has TensorFlow, and child processes in it.

TensorFlow is never imported by this process: its start-up time, its log and its crashes stay in a child.  The child is
this Python, or the one that the environment variable MCU_GEN_TENSORFLOW names (TensorFlow is large, and its pins rarely
agree with those of anything else).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import IO

from mcu_gen.errors import ToolMissingError

#: Environment variable: a Python with TensorFlow.
VARIABLE = "MCU_GEN_TENSORFLOW"

#: Seconds for asking another Python which TensorFlow it has.
_VERSION_DEADLINE_S = 20

#: Prints the version of TensorFlow without importing it; the name of the distribution differs from the module's.
_VERSION_PROGRAM = """
import importlib.metadata as m, importlib.util as u
if u.find_spec("tensorflow") is not None:
    names = m.packages_distributions().get("tensorflow", [])
    print(m.version(names[0]) if names else "unknown")
"""


def find_tensorflow() -> str | None:
    """A Python that has TensorFlow, or is said to have it; None where there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        return shutil.which(named)
    return sys.executable if importlib.util.find_spec("tensorflow") is not None else None


def need_tensorflow(purpose: str, where: str | None = None) -> str:
    """:func:`find_tensorflow`, for something that cannot go on without it.

    Args:
        purpose: what needs it, as the beginning of a sentence.
        where: file or option, for the error.

    Raises:
        ToolMissingError: there is none (exit 6).
    """
    python = find_tensorflow()
    if python is None:
        raise missing(purpose, where)
    return python


def missing(purpose: str, where: str | None = None, detail: str = "") -> ToolMissingError:
    """The error of something that needs TensorFlow where there is none."""
    named = os.environ.get(VARIABLE)
    what = f"{VARIABLE} names {named!r}, which is no Python that has it" if named else "which is not installed"
    return ToolMissingError(
        f"{purpose} needs TensorFlow, {what}" + (f" ({detail})" if detail else ""),
        where=where,
        hints=["pip install 'mcu-gen[keras]'", f"or set {VARIABLE} to a Python that has TensorFlow"],
    )


def tensorflow_version() -> str | None:
    """The version of the TensorFlow that :func:`find_tensorflow` finds; None where there is none."""
    python = find_tensorflow()
    if python is None:
        return None
    try:
        done = subprocess.run(
            [python, "-c", _VERSION_PROGRAM], capture_output=True, text=True, timeout=_VERSION_DEADLINE_S, check=False,
            stdin=subprocess.DEVNULL, env=_environment(),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _environment() -> dict[str, str]:
    """No accelerator, no chatter, and no packages of this process in another Python."""
    found = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1", "TF_ENABLE_ONEDNN_OPTS": "0"}
    if os.environ.get(VARIABLE):
        found.pop("PYTHONPATH", None)
    return found


def run_child(command: Sequence[str], log: IO[bytes], deadline_s: float) -> int:
    """Exit status of ``command``, which writes to ``log``; it and its children are gone afterwards.

    Raises:
        subprocess.TimeoutExpired: it did not end in time.
        OSError: it could not be started.
    """
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(), start_new_session=True
    )
    try:
        return process.wait(timeout=deadline_s)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
