"""The server around a small hand-written network, compiled for this machine with sanitizers."""

from __future__ import annotations

from pathlib import Path

import pytest

from run.fake_project import host_program


@pytest.fixture(scope="session")
def fake_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return host_program(tmp_path_factory.mktemp("fake"))


@pytest.fixture(scope="session")
def plain_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without hooks and with a bulk memory of 100 bytes."""
    return host_program(tmp_path_factory.mktemp("plain"), hooks=False, bulk=100)
