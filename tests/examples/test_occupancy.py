"""Occupancy detection as a stream that is predicted before it is learned from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from examples.conftest import keeps_its_picture, ran, succeeded

Part = Callable[[str], ModuleType]

HEAD = '"Date","Temperature","Humidity","Light","CO2","HumidityRatio","Occupancy"\n'


def test_a_stream_is_learned(tmp_path: Path) -> None:
    assert "✓" in succeeded("occupancy", tmp_path / "occupancy.svg", "--seeds", "1", "--no-emulator")


@pytest.mark.slow
def test_streams_of_all_seeds(tmp_path: Path) -> None:
    keeps_its_picture("occupancy", tmp_path)


@pytest.mark.slow
@pytest.mark.shared
def test_a_recorded_stream_is_learned(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "occupancy"
    assert "✓" in succeeded("occupancy", tmp_path / "occupancy.svg", "--data", folder, "--no-emulator")


def test_a_generated_room_is_one(part: Part) -> None:
    rooms = part("occupancy/rooms")
    rows, labels = rooms.generated(7, 3)
    again, _ = rooms.generated(7, 3)
    assert rows.shape == (7 * 1440, 5)
    assert np.isfinite(rows).all()
    assert (rows == again).all()
    assert not labels.reshape(7, 1440)[5:].any(), "nobody works at weekends"
    assert 0.1 < labels[: 5 * 1440].mean() < 0.5
    there, empty = rows[labels == 1].mean(axis=0), rows[labels == 0].mean(axis=0)
    assert there[2] > empty[2] + 100, "light"
    assert there[3] > empty[3] + 100, "CO2"
    # Humidity and its ratio agree, by the formula of the UCI set: water by mass of dry air.
    pressure = rows[:, 1] / 100 * 6.112 * np.exp(17.62 * rows[:, 0] / (243.12 + rows[:, 0]))
    assert np.allclose(0.622 * pressure / (1013 - pressure), rows[:, 4], rtol=0.05)


def test_recorded_rows(part: Part, tmp_path: Path) -> None:
    """As the files of UCI, whose rows have a number in front or have none, in the order of the dates."""
    rooms = part("occupancy/rooms")
    (tmp_path / "a.txt").write_text(HEAD + '"1","2015-02-04 17:51:00",23.18,27.272,426,721.25,0.0048,1\n')
    (tmp_path / "b.txt").write_text(HEAD + '"2015-02-02 14:19:00",23.7,26.272,585.2,749.2,0.00476,0\n')
    rows, labels = rooms.recorded(tmp_path)
    assert labels.tolist() == [0, 1]
    assert (
        rows.tolist()
        == np.float32([[23.7, 26.272, 585.2, 749.2, 0.00476], [23.18, 27.272, 426, 721.25, 0.0048]]).tolist()
    )
    one, _ = rooms.recorded(tmp_path / "a.txt")
    assert (one == rows[1:]).all()
    for name, text in (("head", "Date,Light\n"), ("cell", HEAD + '"2015-02-02","x",1,1,1,1,0\n'), ("rows", HEAD)):
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError):
            rooms.recorded(tmp_path / name)


def test_a_file_that_is_missing_is_an_answer(tmp_path: Path) -> None:
    done = ran("occupancy", "--data", tmp_path / "absent.txt", "-o", tmp_path / "occupancy.svg")
    assert done.returncode == 2
    assert "absent.txt" in done.stderr
    assert "Traceback" not in done.stderr
