"""Digits under drift, and what the examples share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from examples.conftest import keeps_its_picture, ran, succeeded
from mcu_gen.errors import UsageError

Part = Callable[[str], ModuleType]


@pytest.mark.qemu
def test_drift_is_relearned_and_a_core_takes_the_same_steps(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    said = succeeded("drift", tmp_path / "drift.svg", "--seeds", "1")
    assert "bit by bit" in said
    assert said.count("✓") == 2


@pytest.mark.slow
def test_drift_for_all_seeds(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    keeps_its_picture("drift", tmp_path)


def test_digits_of_a_file(part: Part, tmp_path: Path) -> None:
    """Lines as UCI has them, and arrays."""
    written = part("drift/drifts").written
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 17, (48, 64)), rng.integers(0, 10, 48)
    np.savetxt(tmp_path / "digits.tra", np.column_stack([x, y]), fmt="%d", delimiter=",")
    np.savez(tmp_path / "digits.npz", x=x.reshape(-1, 8, 8) / 16, y=y)
    for name in ("digits.tra", "digits.npz"):
        (a, b), (c, d) = written(tmp_path / name)
        assert (np.concatenate([a, c]).reshape(48, 64) == np.float32(x / 16)).all()
        assert np.concatenate([b, d]).tolist() == y.tolist()
        assert len(b) == 36
    np.savez(tmp_path / "few.npz", x=x[:8], y=y[:8])
    for wrong in ("few.npz", "absent.tra"):
        with pytest.raises(UsageError):
            written(tmp_path / wrong)


def test_a_drift_changes_every_image(part: Part) -> None:
    drifts = part("drift/drifts")
    x = np.zeros((3, 8, 8, 1), np.float32)
    x[:, 1:7, 3] = [[[0.25]], [[0.5]], [[1.0]]]
    data = (x, np.arange(3))
    (inverted, _), _ = drifts.inverted(data, data)
    assert inverted.tolist() == (1 - x).tolist()
    (leaning, labels), _ = drifts.leaning(data, data)
    assert labels.tolist() == [0, 1, 2]
    columns = (leaning[..., 0] * np.arange(8)).sum(axis=2) / leaning[..., 0].sum(axis=2).clip(1e-9)
    assert (columns[:, 2] - columns[:, 5] > 1).all(), "a stroke that stood upright leans to the right"
    assert leaning.min() >= 0
    assert leaning.max() <= 1


def test_a_seed_below_the_demand_is_an_error(part: Part, capsys: pytest.CaptureFixture[str]) -> None:
    learning = part("learning")
    demands = [learning.Demand("gained", 5.0, "points", [5.0, 7.5]), learning.Demand("lost", -2.0, "points", [-2.5])]
    learning.check(demands[:1])
    with pytest.raises(learning.MissedError, match=r"seed 0: -2\.5 points") as found:
        learning.check(demands)
    assert found.value.exit_code == 5
    assert "✗ lost" in capsys.readouterr().out


def test_mistakes_are_answers(tmp_path: Path) -> None:
    assert ran("drift", "--seeds", "0").returncode == 2
    done = ran("drift", "--data", tmp_path / "absent.tra", "-o", tmp_path / "drift.svg")
    assert done.returncode == 2
    assert "absent.tra" in done.stderr
    assert "Traceback" not in done.stderr
