"""Spoken digits: takes of generated speakers, and recorded ones from a file.

A generated voice is a sum of harmonics under the resonances of a vocal tract, with noise for the consonants.  Speakers
differ in pitch, length of the vocal tract, speed, and in how they pronounce each sound.  Formants of vowels are those
of Peterson and Barney ("Control methods used in a study of the vowels", 1952).
"""

from __future__ import annotations

import io
import wave
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from features import RATE, SAMPLES

#: Sounds of the digits zero to nine.
WORDS = (
    "z iy r ow uw",
    "w ah n",
    "t uw",
    "th r iy",
    "f ao r",
    "f aa iy v",
    "s ih k s",
    "s eh v ah n",
    "eh iy t",
    "n aa iy n",
)

#: Takes with smaller numbers are never learned from.
UNSEEN = 5

#: Speakers that the network is trained on where they are generated.
CROWD = 60

#: Milliseconds between two states of the vocal tract.
FRAME_MS = 5
_FRAME = RATE * FRAME_MS // 1000

#: Bandwidths of the resonances, Hz.
_WIDTHS = np.array([90.0, 120.0, 180.0])


@dataclass(frozen=True)
class Sound:
    """Three formants in Hz, loudness of the voice, loudness and centre (Hz) of the noise, duration in ms."""

    formants: tuple[float, float, float]
    voice: float
    noise: float
    centre: float
    ms: float


SOUNDS = {
    "iy": Sound((270, 2290, 3010), 1, 0, 0, 120), "ih": Sound((390, 1990, 2550), 1, 0, 0, 100),
    "eh": Sound((530, 1840, 2480), 1, 0, 0, 110), "aa": Sound((730, 1090, 2440), 1, 0, 0, 120),
    "ah": Sound((640, 1190, 2390), 1, 0, 0, 110), "ao": Sound((570, 840, 2410), 1, 0, 0, 130),
    "ow": Sound((490, 910, 2450), 1, 0, 0, 110), "uw": Sound((300, 870, 2240), 1, 0, 0, 130),
    "r": Sound((420, 1300, 1600), 0.7, 0, 0, 80), "w": Sound((300, 610, 2200), 0.6, 0, 0, 80),
    "n": Sound((250, 1400, 2300), 0.4, 0, 0, 90), "v": Sound((300, 1100, 2300), 0.3, 0.08, 2500, 70),
    "z": Sound((280, 1700, 2500), 0.25, 0.25, 3600, 90), "s": Sound((300, 1700, 2600), 0, 0.4, 3700, 110),
    "f": Sound((300, 1100, 2400), 0, 0.15, 2300, 90), "th": Sound((300, 1400, 2500), 0, 0.12, 2900, 80),
    "t": Sound((300, 1800, 2600), 0, 0.5, 3300, 40), "k": Sound((300, 1700, 2200), 0, 0.4, 1900, 50),
}  # fmt: skip


@dataclass(frozen=True)
class Speaker:
    """A voice.

    Attributes:
        pitch: Hz.
        tract: factor of all formants, 1 for a man of Peterson and Barney.
        speed: factor of all durations.
        accent: per sound the factors of its three formants and of its duration.
    """

    pitch: float
    tract: float
    speed: float
    accent: dict[str, np.ndarray]


def speaker(rng: np.random.Generator, *, foreign: bool = False) -> Speaker:
    """Somebody of the crowd that the network knows, or a ``foreign`` one: a child with an accent of its own."""
    spread = 0.25 if foreign else 0.08
    accent = {s: np.append(rng.normal(1, spread, 3), rng.uniform(0.7, 1.4)) for s in SOUNDS}
    if foreign:
        return Speaker(rng.uniform(230, 300), rng.uniform(1.3, 1.4), rng.uniform(0.8, 1.3), accent)
    return Speaker(rng.uniform(90, 210), rng.uniform(0.95, 1.18), rng.uniform(0.85, 1.2), accent)


def take(who: Speaker, digit: int, rng: np.random.Generator) -> np.ndarray:
    """One second of a speaker who says a digit, float64[8000], never twice the same."""
    sounds = WORDS[digit].split()
    states, weights = [], []
    speed = who.speed * rng.normal(1, 0.08)
    for name in sounds:
        s, a = SOUNDS[name], who.accent[name]
        formants = np.array(s.formants) * who.tract * a[:3] * rng.normal(1, 0.09, 3)
        states.append([*formants, s.voice * rng.uniform(0.8, 1.2), s.noise * rng.uniform(0.7, 1.3), s.centre or 3000.0])
        weights.append(max(2, round(s.ms * speed * a[3] * rng.uniform(0.85, 1.15) / FRAME_MS)))
    track = np.repeat(np.array(states), weights, axis=0)
    smooth = np.hanning(9) / np.hanning(9).sum()
    ends = np.pad(track, ((8, 8), (0, 0)), mode="edge")
    ends[:6, 3:5] = ends[-6:, 3:5] = 0
    track = np.stack([np.convolve(c, smooth, mode="valid") for c in ends.T], axis=1)
    sound = _voice(who, track, rng) + _noise(track, rng)
    sound = sound[:SAMPLES]
    out = rng.normal(0, 10 ** rng.uniform(-2.0, -0.9), SAMPLES)
    start = int(rng.integers(0, SAMPLES - len(sound) + 1))
    out[start : start + len(sound)] += sound / np.abs(sound).max() * rng.uniform(0.2, 0.8)
    return out


def _along(frames: np.ndarray) -> np.ndarray:
    """Values per frame as values per sample."""
    at = np.arange(len(frames) * _FRAME) / _FRAME
    return np.interp(at, np.arange(len(frames)), frames)


def _voice(who: Speaker, track: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    drift = rng.uniform(0.9, 1.1) * np.linspace(rng.uniform(1, 1.15), rng.uniform(0.8, 1), len(track))
    pitch = who.pitch * drift
    phase = 2 * np.pi * np.cumsum(_along(pitch)) / RATE
    out = np.zeros(len(phase))
    for k in range(1, int(RATE / 2 / pitch.max()) + 1):
        f = k * pitch
        gain = sum(g / (1 + ((f - track[:, i]) / _WIDTHS[i]) ** 2) for i, g in enumerate((1.0, 0.7, 0.4)))
        out += _along((gain + 0.02) * track[:, 3] / np.sqrt(k)) * np.sin(k * phase)
    return out


def _noise(track: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    count, size = len(track), 4 * _FRAME
    window = np.hanning(size + 1)[:-1]
    frequencies = np.fft.rfftfreq(size, 1 / RATE)
    out = np.zeros(count * _FRAME + size)
    for i in range(count):
        if track[i, 4] > 1e-3:
            shape = np.exp(-(((frequencies - track[i, 5]) / 700) ** 2))
            spectrum = np.fft.rfft(rng.normal(0, 1, size)) * shape
            out[i * _FRAME : i * _FRAME + size] += track[i, 4] * window * np.fft.irfft(spectrum, size)
    return out[: count * _FRAME]


def generated(number: int, takes: range, *, foreign: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Takes of one speaker: the same arguments give the same sounds.

    Args:
        number: which speaker.
        takes: numbers of the takes, each of all ten digits.
        foreign: as for :func:`speaker`.

    Returns:
        sounds float64[10 x takes, 8000] and digits int64[10 x takes], take by take.
    """
    who = speaker(np.random.default_rng([int(foreign), number]), foreign=foreign)
    sounds = []
    for t in takes:
        rng = np.random.default_rng([int(foreign), number, t])
        sounds += [take(who, digit, rng) for digit in range(10)]
    return np.stack(sounds), np.tile(np.arange(10), len(takes))


def crowd(speakers: range, takes: range) -> tuple[np.ndarray, np.ndarray]:
    """:func:`generated` for several speakers, one after the other."""
    sounds, digits = zip(*(generated(number, takes) for number in speakers), strict=True)
    return np.concatenate(sounds), np.concatenate(digits)


def recorded(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Recordings: the Free Spoken Digit Dataset, or any zip file of 8 kHz mono files ``digit_speaker_take.wav``.

    Returns:
        per speaker sounds float64[n, 8000], digits int64[n] and numbers of takes int64[n], ordered by take and digit.

    Raises:
        OSError, ValueError: the file cannot be read, or holds something else.
    """
    found: dict[str, list[tuple[int, int, np.ndarray]]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(n for n in archive.namelist() if n.endswith(".wav")):
                digit, who, number = Path(name).stem.split("_")  # ValueError where it is not digit_speaker_take
                found.setdefault(who, []).append((int(number), int(digit), _read(archive.read(name), name)))
    except (zipfile.BadZipFile, wave.Error, EOFError) as error:
        raise ValueError(str(error)) from None
    if not found:
        raise ValueError("there are no .wav files in it")
    speakers = {}
    for who, takes in sorted(found.items()):
        takes.sort(key=lambda t: t[:2])
        numbers, digits, sounds = zip(*takes, strict=True)
        speakers[who] = (np.stack(sounds), np.array(digits), np.array(numbers))
    return speakers


def _read(data: bytes, name: str) -> np.ndarray:
    """One second with the recording in its middle, float64[8000] in -1..1."""
    with wave.open(io.BytesIO(data)) as file:
        if file.getframerate() != RATE or file.getsampwidth() != 2 or file.getnchannels() != 1:
            raise ValueError(f"{name} is not 16-bit mono at {RATE:,} Hz")
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    cut = max(0, len(sound) - SAMPLES) // 2
    sound = sound[cut : cut + SAMPLES]
    room = SAMPLES - len(sound)
    return np.pad(sound, (room // 2, room - room // 2))
