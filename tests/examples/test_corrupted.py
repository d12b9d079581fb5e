"""A ResNet8 regains its accuracy on corrupted pictures."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from examples.conftest import keeps_its_picture, ran, succeeded

Part = Callable[[str], ModuleType]


def test_biases_and_the_last_block_learn(tmp_path: Path) -> None:
    args = ("--seeds", "1", "--corruption", "fog", "--no-emulator")
    assert "✓ fog" in succeeded("corrupted", tmp_path / "corrupted.svg", *args)


@pytest.mark.slow
def test_all_corruptions_and_seeds(tmp_path: Path) -> None:
    keeps_its_picture("corrupted", tmp_path)


@pytest.mark.slow
@pytest.mark.shared
def test_the_large_network_in_fog(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    data, model = shared / "data" / "cifar10_jpeg" / "test_200.zip", shared / "models" / "resnet8_int8.tflite"
    args = ("--data", data, "--model", model, "--corruption", "fog", "--no-emulator")
    assert "✓ fog" in succeeded("corrupted", tmp_path / "corrupted.svg", *args)


def test_generated_pictures(part: Part) -> None:
    pictures = part("corrupted/pictures")
    x, y = pictures.generated(20, 3)
    again, _ = pictures.generated(20, 3)
    assert x.shape == (20, 24, 24, 3)
    assert x.dtype == np.uint8
    assert (x == again).all()
    assert np.bincount(y).tolist() == [2] * 10
    assert (x.reshape(20, -1, 3).std(axis=1).max(axis=1) > 10).all(), "there is something in every picture"


def test_corruptions(part: Part) -> None:
    pictures = part("corrupted/pictures")
    rng = np.random.default_rng(0)
    point = np.zeros((1, 9, 9, 3), np.uint8)
    point[0, 4, 4] = 256 - 1
    blurred = pictures.blurred(point, rng)[0, ..., 0]
    assert blurred[4, 4] == round(255 * 36 / 256)
    assert blurred[2, 6] == round(255 * 1 / 256)
    assert blurred[:, 0].sum() == 0
    grey = np.full((4, 32, 32, 3), 100, np.uint8)
    assert (pictures.blurred(grey, rng) == 100).all()
    assert (pictures.foggy(grey, rng) == 175).all()
    noise = pictures.noisy(grey, rng).astype(int) - 100
    assert abs(noise.mean()) < 2
    assert 37 < noise.std() < 42


def test_pictures_of_a_file(part: Part, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    pictures = part("corrupted/pictures")
    path = tmp_path / "pictures.zip"
    with pytest.raises(OSError):
        pictures.stored(path)
    want = np.random.default_rng(0).integers(0, 256, (3, 6, 5, 3), np.uint8)
    names = ("dog/1.png", "cat/2.png", "cat/1.png")

    def store(sizes: bool) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, pixels in zip(names, want, strict=True):
                data = io.BytesIO()
                image.fromarray(pixels[1:] if sizes and name == names[0] else pixels).save(data, "PNG")
                archive.writestr(name, data.getvalue())

    store(sizes=False)
    x, y = pictures.stored(path)
    assert y.tolist() == [0, 0, 1]
    assert (x == want[[2, 1, 0]]).all()
    store(sizes=True)
    with pytest.raises(ValueError, match="2 sizes"):
        pictures.stored(path)
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match="zip"):
        pictures.stored(path)


def test_data_need_a_model(tmp_path: Path) -> None:
    done = ran("corrupted", "--data", tmp_path / "pictures.zip")
    assert done.returncode == 2
    assert "--data and --model go together" in done.stderr
