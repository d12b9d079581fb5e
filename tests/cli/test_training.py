"""The verb `train`: what it says, what it keeps in the project, and data that it refuses."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mcu_gen import api
from mcu_gen.cli.train import curve, loss_rows

from .conftest import BOARD, DATA, MODEL, Cli

X = np.zeros((4, 8, 8, 1), np.float32)
Y = np.arange(4)


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inverted digits: there is something to learn."""
    path = tmp_path_factory.mktemp("stream") / "d.npz"
    with np.load(DATA) as file:
        np.savez(path, x=1 - file["x"][:60].astype(np.float32), y=file["y"][:60])
    return path


def test_a_run_is_kept_in_the_project(cli: Cli, learner: Path, stream: Path, tmp_path: Path) -> None:
    """JSON has a loss per step; mcu-gen.json has the curve in stretches, whose means agree with it."""
    data = cli(
        "train", learner, "--data", stream, "--steps", 200, "--lr", "0.01", "-o", tmp_path / "w.npz", "--json"
    ).data
    assert len(data["loss"]) == data["steps"] == 200
    assert (data["train"], data["mode"], data["dtype"]) == ("head", "immediate", "float32")
    assert set(np.load(tmp_path / "w.npz").files) == {w.name for w in api.open_project(learner).weights}
    kept = api.open_project(learner).data["training_run"]
    assert kept["accuracy_after"] == data["accuracy_after"] > data["accuracy_before"]
    assert kept["steps"] == kept["curve"][-1]["step"] == 200
    assert len(kept["curve"]) == 150
    begin = 0
    for point in kept["curve"]:
        part = data["loss"][begin : point["step"]]
        assert point["loss"] == pytest.approx(np.mean(part))
        assert (point["low"], point["high"]) == (min(part), max(part))
        begin = point["step"]
    lengths = np.diff([0, *(p["step"] for p in kept["curve"])])
    right = sum(p["right"] * n for p, n in zip(kept["curve"], lengths, strict=True))
    assert right / 200 == pytest.approx(data["prequential_accuracy"])


def test_people_read_the_curve(cli: Cli, learner: Path, stream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (60, 100):
        monkeypatch.setenv("COLUMNS", str(columns))
        text = cli("train", learner, "--data", stream, "--steps", 100, "--lr", "0.01").out
        assert max(map(len, text.splitlines())) <= columns
        for words in ("100 on host", "--train head", "immediate", "at first", "before", "prequential"):
            assert words in text
        assert "█" in text
        assert "▁" in text


@pytest.mark.parametrize(
    ("loss", "bars", "logarithmic"),
    [([], "", False), ([math.nan, math.inf], "", False), ([1.0], "▁", False), ([2.0, 2.0, 2.0], "▁▁▁", False),
     ([8.0, math.nan, 1.0], "█▁", False), ([7.0, 4.0, 0.0], "█▅▁", False), ([1e4, 1e2, 1.0], "█▅▁", True)],
)  # fmt: skip
def test_curves(loss: list[float], bars: str, logarithmic: bool) -> None:
    """Heights follow the loss, or its logarithm where it spans much; what is not finite is no height."""
    found, scale = curve(loss)
    assert (found.replace("▄", "▅"), scale) == (bars, logarithmic)
    run = api.TrainingRun(loss, 0, None, None, None, None, {}, 0)
    assert ("never finite" in str(loss_rows(run, 80))) == (not bars)
    assert len(run.curve()) == len(loss)


FILES: dict[str, dict[str, np.ndarray]] = {
    "no labels": {"x": X}, "no samples": {"y": Y}, "fewer labels": {"x": X, "y": Y[:3]},
    "no such class": {"x": X, "y": Y + 7}, "a half class": {"x": X, "y": Y + 0.5},
    "words": {"x": X, "y": np.array(list("abcd"))}, "one-hot": {"x": X, "y": np.eye(10)[Y]},
    "another shape": {"x": X[:, :7], "y": Y}, "nothing": {"x": X[:0], "y": Y[:0]}, "another name": {"image": X, "y": Y},
    "not a number": {"x": X + np.float32(np.nan), "y": Y},
}  # fmt: skip
WORDS = {"one-hot": "argmax", "no such class": "0 to 9", "not a number": "NaN", "no labels": "labels y"}


@pytest.mark.parametrize("name", FILES)
def test_data_that_is_refused(name: str, cli: Cli, learner: Path, tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, **FILES[name])  # type: ignore[arg-type]
    ran = cli("train", learner, "--data", path, "--steps", 2, "--lr", "0.1", "--json")
    assert ran.code == 2, ran.out
    error = ran.document["error"]
    assert error["where"] in ("x", "y", "x, y", str(path)) or error["where"].startswith("x, input")
    assert WORDS.get(name, "") in error["message"] + " ".join(error["hints"])


@pytest.mark.parametrize("content", [None, b"", b"PKnonsense", b"\x93NUMPY\x01\x00"])
def test_files_that_are_no_data(content: bytes | None, cli: Cli, learner: Path, tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    if content is not None:
        path.write_bytes(content)
    ran = cli("train", learner, "--data", path, "--steps", 2, "--lr", "0.1", "--json")
    assert (ran.code, ran.document["error"]["where"]) == (2, str(path))


@pytest.mark.parametrize(
    ("args", "where"),
    [(["--steps", 0, "--lr", 0.1], "--steps"), (["--steps", 1, "--lr", "nan"], "--lr"),
     (["--steps", 1, "--lr", "1e39"], "--lr"), (["--steps", 1, "--lr", 0.1, "--shuffle", -1], "--shuffle"),
     (["--steps", 1, "--lr", 0.1, "-o", "{t}/w.txt"], "w.txt"), (["--steps", 1, "--lr", 0.1, "-o", "{t}/a/w.npz"], "a"),
     (["--steps", 1, "--lr", 0.1, "--on", "the moon"], "--on")],
)  # fmt: skip
def test_options_that_are_refused(
    args: list[object], where: str, cli: Cli, learner: Path, tmp_path: Path, stream: Path
) -> None:
    """Before anything is trained, and without a warning of NumPy."""
    filled = [str(a).replace("{t}", str(tmp_path)) for a in args]
    ran = cli("train", learner, "--data", stream, *filled)
    assert ran.code == 2
    assert where in ran.err
    assert "Warning" not in ran.err
    assert ran.out == ""


def test_a_negative_seed_is_no_fault_of_ours(cli: Cli) -> None:
    assert cli("validate", MODEL, "--board", BOARD, "--seed", -1).code == 2
