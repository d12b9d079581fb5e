"""Runs the examples as a user does, and imports their parts."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import xml.etree.ElementTree
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

#: Seconds that an example may take on a busy machine.
DEADLINE_S = 900


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports a module of an example (``drift/drifts``) or one that they share (``figure``)."""

    def find(name: str) -> ModuleType:
        path = EXAMPLES / name
        monkeypatch.syspath_prepend(str(EXAMPLES))
        monkeypatch.syspath_prepend(str(path.parent))
        return importlib.import_module(path.name)

    return find


def ran(name: str, *args: str | Path) -> subprocess.CompletedProcess[str]:
    """``python examples/NAME/run.py ARGS``."""
    command = [sys.executable, str(EXAMPLES / name / "run.py"), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)


def succeeded(name: str, picture: Path, *args: str | Path) -> str:
    """What an example prints; its picture must be one."""
    done = ran(name, "-o", picture, *args)
    assert done.returncode == 0, done.stdout + done.stderr
    assert xml.etree.ElementTree.parse(picture).getroot().tag.endswith("svg")
    return done.stdout


def keeps_its_picture(name: str, folder: Path) -> None:
    """All seeds reach what the example demands, and it draws its committed picture again (compressed images apart)."""
    succeeded(name, folder / "found.svg")
    found, kept = (
        re.sub(r"base64,[^\"]*", "", path.read_text("utf-8"))
        for path in (folder / "found.svg", EXAMPLES / name / f"{name}.svg")
    )
    assert found == kept
