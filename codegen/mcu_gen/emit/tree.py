"""Writes a tree of files whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mcu_gen.errors import UsageError

#: Marks a folder as one that mcu-gen wrote and may replace.
MARKER = "mcu-gen.json"


def check_destination(out: Path) -> None:
    """Refuses a destination that holds somebody else's files.

    Raises:
        UsageError: ``out`` is a file, or a folder that is neither empty nor a generated project.
    """
    if out.exists() and not out.is_dir():
        raise UsageError("it is a file, a folder is needed", where=str(out))
    if out.is_dir() and any(out.iterdir()) and not (out / MARKER).is_file():
        raise UsageError(
            f"the folder is not empty and holds no {MARKER}, so it is not replaced",
            where=str(out),
            hints=["name a new folder with -o", "or remove this one first"],
        )


def write_tree(out: Path, files: Mapping[str, str | bytes]) -> None:
    """Writes ``files`` (relative path -> content) as the folder ``out``, replacing a generated project that is there.

    The files go to a temporary folder beside ``out`` that is renamed when it is whole, so an interruption leaves either
    the old tree or the new one.

    Raises:
        UsageError: see :func:`check_destination`, or the folder cannot be written.
    """
    check_destination(out)
    out = out.absolute()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
            new = Path(folder) / "new"
            new.mkdir()
            for name, content in files.items():
                path = new / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
            if out.exists():
                os.replace(out, Path(folder) / "old")
            try:
                os.replace(new, out)
            except OSError:
                if (Path(folder) / "old").exists():
                    os.replace(Path(folder) / "old", out)
                raise
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror or error}", where=str(out)) from error


def remove_tree(path: Path) -> None:
    """Removes a folder if it exists."""
    shutil.rmtree(path, ignore_errors=True)
