"""The hand-written network as programs for this machine and for emulated boards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from run.fake_project import board_program, host_program


@pytest.fixture(scope="session")
def fake_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return host_program(tmp_path_factory.mktemp("fake"))


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The firmware for a board, built once."""
    built: dict[str, Path] = {}

    def build(board: str) -> Path:
        if board not in built:
            built[board] = board_program(tmp_path_factory.mktemp(board), board)
        return built[board]

    return build
