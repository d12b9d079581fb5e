"""``mcu-gen train``: where it starts, and weights kept in the device's flash."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.conftest import Cli

ARGS = ("--on", "host", "--steps", "3", "--lr", "0.01", "--data")


def test_saved_and_resumed(
    cli: Cli, learner: Path, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCU_GEN_HOST_FLASH", str(tmp_path / "flash"))
    first = cli("train", learner, *ARGS, samples, "--save", "--json")
    assert first.code == 0, first.err
    assert first.data["saved_bytes"] == 4 * (10 * 128 + 10)
    assert first.data["start"] is None
    again = cli("train", learner, *ARGS, samples, "--resume", "--json")
    assert again.data["start"] == "resume"
    assert again.data["saved_bytes"] is None
    assert again.data["accuracy_before"] == first.data["accuracy_after"]
    assert again.data["loss"] != first.data["loss"]
    fresh = cli("train", learner, *ARGS, samples, "--fresh", "--json")
    assert fresh.data["loss"] == first.data["loss"]
    assert cli("train", learner, *ARGS, samples, "--resume").code == 7  # forgotten


def test_what_a_process_forgets_is_said(cli: Cli, learner: Path, samples: Path) -> None:
    saved = cli("train", learner, *ARGS, samples, "--save")
    assert saved.code == 0
    assert "host forgets them when it ends" in " ".join(saved.out.split())
    ran = cli("train", learner, *ARGS, samples, "--resume", "--json")
    assert ran.code == 7
    assert ran.document["error"]["code"] == "device"
    assert "no weights of this network are stored" in ran.document["error"]["message"]


def test_two_starts_exclude_each_other(cli: Cli, learner: Path, samples: Path) -> None:
    ran = cli("train", learner, *ARGS, samples, "--resume", "--fresh", "--json")
    assert ran.code == 2
    assert ran.document["error"]["where"] == "--resume with --fresh"
