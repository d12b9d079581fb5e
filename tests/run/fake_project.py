"""A generated project around the hand-written network of ``tests/link/fake_model.c``."""

from __future__ import annotations

from pathlib import Path

from mcu_gen.build.host import build_host
from mcu_gen.build.platformio import build_project
from mcu_gen.resources import resource_dir
from mcu_gen.targets.load import load_target
from mcu_gen.targets.project import project_files

MODEL = Path(__file__).resolve().parents[1] / "link" / "fake_model.c"


def write_project(folder: Path, board: str) -> Path:
    """The project for ``board``, without a network library: the network is in its ``src``."""
    files = project_files(load_target(board), net="fake", origin=["test"])
    firmware = resource_dir("firmware")
    for room in ("runtime", "link"):
        for path in sorted((firmware / room).glob("*.[ch]")):
            place = "src" if path.name == "main.c" else "lib/mcu_runtime"
            files[f"{place}/{path.name}"] = path.read_text()
    files["src/fake_model.c"] = MODEL.read_text()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def host_program(folder: Path, *, hooks: bool = True, sanitize: bool = True, bulk: int = 0) -> Path:
    """The project's program for this machine, with ``bulk`` bytes of bulk memory."""
    defines = (["FAKE_HOOKS"] if hooks else []) + ([f"HAL_HOST_BULK={bulk}"] if bulk else [])
    return build_host(write_project(folder, "mps2_an386"), defines=defines, sanitize=sanitize)


def board_program(folder: Path, board: str, *, hooks: bool = True) -> Path:
    """The project's firmware for ``board``."""
    return build_project(write_project(folder, board), defines=["FAKE_HOOKS"] if hooks else []).elf
