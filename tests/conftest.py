"""What all tests share: the folder of shared models, and loud skips where something is missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: Marker -> commands that its tests need; all of them must be on PATH.
_TOOLS = {
    "qemu": ("arm-none-eabi-gcc", "qemu-system-arm"),
}


def shared_folder() -> Path | None:
    """The folder of shared models: ``MCU_GEN_SHARED``, or ``../shared`` beside the checkout."""
    folder = Path(os.environ.get("MCU_GEN_SHARED", ROOT.parent / "shared"))
    return folder if (folder / "models").is_dir() else None


def _missing(item: pytest.Item) -> str | None:
    if item.get_closest_marker("shared") and shared_folder() is None:
        return "SKIPPED: no shared models; set MCU_GEN_SHARED to the folder that holds models/"
    if item.get_closest_marker("renode") and not (os.environ.get("RENODE") or shutil.which("renode")):
        return "SKIPPED: Renode is not installed; put it on PATH or set RENODE"
    for marker, commands in _TOOLS.items():
        if item.get_closest_marker(marker):
            absent = [c for c in commands if shutil.which(c) is None]
            if absent:
                return f"SKIPPED: {', '.join(absent)} not found; `mcu-gen doctor` says how to get it"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        reason = _missing(item)
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared models (tests that use it are marked ``shared``)."""
    folder = shared_folder()
    if folder is None:
        pytest.skip("no shared models; set MCU_GEN_SHARED")
    return folder
