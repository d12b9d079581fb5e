"""What all tests share: the folder of shared models, and loud skips where something is missing."""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from mcu_gen.targets import list_targets, load_target

# Loaded machines are slow in places; no test passes or fails by time.
settings.register_profile("mcu-gen", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mcu-gen")

ROOT = Path(__file__).resolve().parents[1]


def shared_folder() -> Path | None:
    """The folder of shared models: ``MCU_GEN_SHARED``, or ``../shared`` beside the checkout."""
    folder = Path(os.environ.get("MCU_GEN_SHARED", ROOT.parent / "shared"))
    return folder if (folder / "models").is_dir() else None


@functools.cache
def missing_tools(board: str) -> tuple[str, ...]:
    """What the emulator and the first choice of compiler of a board lack here; empty when one compiler is complete."""
    target = load_target(board)
    settings = target.manifest["mcu_gen"]["toolchains"]
    lacks = []
    for kind in settings["order"]:
        chain = settings[kind]
        absent = [f"{chain.get('prefix') or chain['sysroot_of']}gcc"]
        absent = [p for p in absent if shutil.which(p) is None]
        programs = chain.get("programs", ())
        if programs and not any(shutil.which(p) for p in programs):
            absent.append(programs[0])
        lacks.append(absent)
    emulator = target.emulators["qemu"]["program"]
    found = min(lacks, key=len) + ([] if shutil.which(emulator) else [emulator])
    return tuple(found)


def _boards(item: pytest.Item) -> list[str]:
    """The emulated boards among the parameters of a test; the Cortex-M4 board where it names none."""
    emulated = {t.name for t in list_targets() if "qemu" in t.emulators}
    callspec = getattr(item, "callspec", None)
    values = [getattr(v, "name", v) for v in callspec.params.values()] if callspec else []
    return [v for v in values if isinstance(v, str) and v in emulated] or ["mps2_an386"]


def _missing(item: pytest.Item) -> str | None:
    if item.get_closest_marker("shared") and shared_folder() is None:
        return "SKIPPED: no shared models; set MCU_GEN_SHARED to the folder that holds models/"
    if item.get_closest_marker("renode") and not (os.environ.get("RENODE") or shutil.which("renode")):
        return "SKIPPED: Renode is not installed; put it on PATH or set RENODE"
    if item.get_closest_marker("qemu"):
        absent = sorted({tool for board in _boards(item) for tool in missing_tools(board)})
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
