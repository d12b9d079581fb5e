"""A keyword network gets to know a new speaker."""

from __future__ import annotations

import wave
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from examples.conftest import keeps_its_picture, ran, succeeded
from mcu_gen.frontends import tensorflow_python

Part = Callable[[str], ModuleType]


def test_a_new_voice_is_learned(tmp_path: Path) -> None:
    said = succeeded("keyword", tmp_path / "keyword.svg", "--seeds", "1", "--no-emulator")
    assert said.count("✓") == 2


@pytest.mark.slow
def test_new_voices_of_all_seeds(tmp_path: Path) -> None:
    keeps_its_picture("keyword", tmp_path)


@pytest.mark.slow
@pytest.mark.shared
def test_a_recorded_speaker_is_learned(shared: Path, tmp_path: Path) -> None:
    if tensorflow_python.find_tensorflow() is None:
        pytest.skip("SKIPPED: no TensorFlow; set MCU_GEN_TENSORFLOW")
    data = shared / "data" / "spoken_digits.zip"
    assert succeeded("keyword", tmp_path / "keyword.svg", "--data", data).count("✓") == 2


def test_features_are_those_of_the_definition(part: Part) -> None:
    """Against the formulas, coefficient by coefficient: mel bands of a Hann window's power, their cosine transform."""
    features = part("keyword/features")
    sound = np.random.default_rng(0).normal(0, 0.1, 8000)
    found = features.mfcc(sound[None])
    assert found.shape == (1, 49, 10, 1)
    piece = sound[7 * 160 : 7 * 160 + 320] / np.abs(sound).max()
    spectrum = [
        abs(sum(p * (0.5 - 0.5 * np.cos(2 * np.pi * i / 319)) * np.exp(-2j * np.pi * k * i / 320)
                for i, p in enumerate(piece))) ** 2
        for k in range(161)
    ]  # fmt: skip
    edges = [700 * (10 ** (m / 2595) - 1) for m in np.linspace(0, 2595 * np.log10(1 + 4000 / 700), 28)]
    bands = []
    for a, b, c in zip(edges, edges[1:], edges[2:], strict=False):
        weights = [max(0.0, min((25 * k - a) / (b - a), (c - 25 * k) / (c - b))) for k in range(161)]
        bands.append(np.log(np.dot(weights, spectrum) + 1e-3))
    for c, spread in ((1, 5), (2, 3), (9, 1)):
        terms = [e * np.cos(np.pi / 26 * c * (i + 0.5)) for i, e in enumerate(bands)]
        assert found[0, 7, c, 0] == pytest.approx(np.sqrt(2 / 26) * sum(terms) / spread, abs=1e-4)
    assert abs(found[0, :, 0].mean()) < 1e-4
    assert np.allclose(features.mfcc(100 * sound[None]), found, atol=1e-4), "loudness is relative"


def test_voices_are_the_same_every_time_and_differ_by_speaker(part: Part) -> None:
    speech = part("keyword/speech")
    sounds, digits = speech.generated(3, range(1))
    again, _ = speech.generated(3, range(1))
    other, _ = speech.generated(4, range(1))
    assert sounds.shape == (10, 8000)
    assert digits.tolist() == list(range(10))
    assert (sounds == again).all()
    assert (sounds != other).any(axis=1).all()
    assert np.isfinite(sounds).all()


def _recording(path: Path, rate: int, count: int = 4000) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.arange(count, dtype="<i2").tobytes())


def test_recordings_of_a_file(part: Part, tmp_path: Path) -> None:
    speech = part("keyword/speech")
    with zipfile.ZipFile(tmp_path / "takes.zip", "w") as archive:
        for name, count in (("7_ann_12", 4000), ("2_ann_0", 10000), ("2_bob_0", 8000)):
            _recording(tmp_path / "take.wav", 8000, count)
            archive.write(tmp_path / "take.wav", f"recordings/{name}.wav")
    found = speech.recorded(tmp_path / "takes.zip")
    assert list(found) == ["ann", "bob"]
    sounds, digits, takes = found["ann"]
    assert digits.tolist() == [2, 7]
    assert takes.tolist() == [0, 12]
    assert (sounds[0] * 32768 == np.arange(1000, 9000)).all(), "the middle of what is longer"
    assert (sounds[1, 2000:6000] * 32768 == np.arange(4000)).all()
    assert not sounds[1, :2000].any()


def test_files_that_hold_something_else(part: Part, tmp_path: Path) -> None:
    speech = part("keyword/speech")
    path = tmp_path / "takes.zip"
    with pytest.raises(OSError):
        speech.recorded(path)
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match="zip"):
        speech.recorded(path)
    for rate, name, words in (
        (16000, "0_theo_1.wav", "8,000 Hz"),
        (8000, "a.txt", r"no \.wav"),
        (8000, "a.wav", "unpack"),
    ):
        _recording(tmp_path / "take.wav", rate)
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(tmp_path / "take.wav", name)
        with pytest.raises(ValueError, match=words):
            speech.recorded(path)


def test_one_speaker_is_too_few(tmp_path: Path) -> None:
    _recording(tmp_path / "take.wav", 8000)
    with zipfile.ZipFile(tmp_path / "takes.zip", "w") as archive:
        archive.write(tmp_path / "take.wav", "0_theo_1.wav")
    done = ran("keyword", "--data", tmp_path / "takes.zip", "-o", tmp_path / "keyword.svg")
    assert done.returncode == 2
    assert "--new: there are takes of theo" in done.stderr
