"""Where a verb writes: results to stdout, notes, progress and errors to stderr, or one JSON document."""

from __future__ import annotations

import json
import math
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

import mcu_gen
from mcu_gen.errors import McuGenError, UnsupportedModelError

#: Version of the JSON envelope.
SCHEMA = 1

#: Seconds between two lines of progress where stderr is no terminal.
_LINE_EVERY_S = 10.0

#: Width of tables where stdout is no terminal and COLUMNS is not set.
_PIPE_WIDTH = 120

#: Converters join the names of operators that they fuse.
_FUSED_NAME = re.compile(r"([\w/:.-]+);[\w/:.;-]*[\w/-]")


def plain(value: Any) -> Any:
    """``value`` as JSON can hold it: NumPy scalars and arrays become numbers and lists, NaN and infinities None."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def brief(text: str) -> str:
    """``text`` with the names of fused operators (``a/Relu;a/batch_norm/add;a/conv``) cut to the first of them."""
    return _FUSED_NAME.sub(r"\1", text)


def _console(stream: Any) -> Console:
    width = None
    if not stream.isatty() and not os.environ.get("COLUMNS"):
        width = _PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, soft_wrap=False)


class Steps:
    """Progress of long work; this one shows nothing."""

    def title(self, text: str) -> None:
        """What is being done now."""

    def __call__(self, done: int, total: int) -> None:
        """How far it is; a total of 0 means unknown."""

    def figure(self, text: str) -> None:
        """A figure that goes with the progress, as a loss."""


class _BarSteps(Steps):
    """Progress as a bar on a terminal."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self.bar, self.task = bar, task
        self.text = ""

    def title(self, text: str) -> None:
        self.text = text
        self.bar.remove_task(self.task)  # a task that knew its total cannot forget it
        self.task = self.bar.add_task(escape(text), total=None)

    def figure(self, text: str) -> None:
        self.bar.update(self.task, description=escape(f"{self.text}, {text}"))

    def __call__(self, done: int, total: int) -> None:
        self.bar.update(self.task, completed=done, total=total or None)


class _LineSteps(Steps):
    """Progress where nobody can see a bar: at most one line in ten seconds."""

    def __init__(self, console: Console, title: str) -> None:
        self.console, self.text = console, title
        self.extra = ""
        self.last = time.monotonic()

    def title(self, text: str) -> None:
        self.text, self.extra = text, ""
        self("...", 0)

    def figure(self, text: str) -> None:
        self.extra = f", {text}"

    def __call__(self, done: int | str, total: int) -> None:
        now = time.monotonic()
        if now - self.last >= _LINE_EVERY_S:
            self.last = now
            of = f" of {total}" if total else ""
            self.console.print(f"{escape(self.text)}: {done}{of}{escape(self.extra)}", style="dim")


class Output:
    """The channels of one run of a verb.

    Attributes:
        data: what the JSON document carries under ``data``; a verb that fails late may have set it before.
    """

    def __init__(self, *, json_mode: bool = False, quiet: bool = False, verbose: bool = False) -> None:
        self.json_mode = json_mode
        self.quiet = quiet
        self.verbose = verbose
        self.out = _console(sys.stdout)
        self.err = _console(sys.stderr)
        self.data: dict[str, Any] = {}

    def note(self, text: str) -> None:
        """A remark for people, on stderr; silent under ``-q``."""
        if not self.quiet:
            self.err.print(escape(text), style="dim")

    def warn(self, text: str) -> None:
        """A warning, on stderr."""
        self.err.print(f"[yellow]warning:[/yellow] {escape(brief(text))}")

    def debug(self, text: str) -> None:
        """A detail, on stderr under ``-v``."""
        if self.verbose:
            self.err.print(escape(text), style="dim")

    @contextmanager
    def progress(self, title: str) -> Iterator[Steps]:
        """Progress of long work: a bar on a terminal, a line now and then elsewhere, nothing under ``-q``.

        Yields a :class:`Steps` to tell what is being done, and how far it is.
        """
        if self.quiet:
            yield Steps()
        elif self.err.is_terminal:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
            with Progress(*columns, TimeElapsedColumn(), console=self.err, transient=True) as bar:
                yield _BarSteps(bar, bar.add_task(escape(title), total=None))
        else:
            yield _LineSteps(self.err, title)

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Work of unknown length: a spinner on a terminal, one line elsewhere under ``-v``."""
        if not self.quiet and self.err.is_terminal:
            with self.err.status(escape(title)):
                yield
        else:
            self.debug(title)
            yield

    def document(self, command: str, error: dict[str, Any] | None) -> None:
        """Writes the one JSON document."""
        document = {
            "tool": "mcu-gen",
            "version": mcu_gen.__version__,
            "schema": SCHEMA,
            "command": command,
            "status": "ok" if error is None else "error",
            "data": plain(self.data),
            "error": error,
        }
        sys.stdout.write(json.dumps(document, indent=1, allow_nan=False) + "\n")
        sys.stdout.flush()

    def error(self, command: str, error: McuGenError) -> None:
        """Reports a failure: to people on stderr, or as JSON on stdout."""
        if self.json_mode:
            details = {"code": error.code, "message": error.message, "where": error.where, "hints": error.hints}
            if isinstance(error, UnsupportedModelError):
                details["reasons"] = error.reasons
            self.document(command, plain(details))
            return
        where = f"[bold]{escape(brief(error.where))}[/bold]: " if error.where else ""
        self.err.print(f"[bold red]error:[/bold red] {where}{escape(brief(error.message))}")
        for reason in getattr(error, "reasons", ()):
            self.err.print(f"  [red]-[/red] {escape(brief(reason))}")
        for hint in error.hints:
            self.err.print(f"  [cyan]try:[/cyan] {escape(brief(hint))}")
