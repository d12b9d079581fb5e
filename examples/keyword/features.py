"""The front end: one second of sound at 8 kHz -> 49 x 10 mel-frequency cepstra (Davis and Mermelstein 1980)."""

from __future__ import annotations

import numpy as np

#: Hz, samples of a second, and of a window and of the way to the next one (40 and 20 ms).
RATE, SAMPLES, WINDOW, HOP = 8000, 8000, 320, 160

#: Bands on the mel scale, and coefficients that are kept.
BANDS, COEFFICIENTS = 26, 10
FRAMES = (SAMPLES - WINDOW) // HOP + 1


def _mel_bands() -> np.ndarray:
    """Triangles over the bins of a spectrum, float64[BANDS, WINDOW // 2 + 1]."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(WINDOW, 1 / RATE)
    low, middle, high = (edges[i : BANDS + i, None] for i in range(3))
    return np.clip(np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)), 0, None)


_MEL = _mel_bands()
#: What each coefficient is divided by, so that all of them fill the same range.
_SPREAD = np.array([20, 5, 3, 2, 2, 1.5, 1.5, 1, 1, 1])

_HANN = np.hanning(WINDOW)
_COSINES = np.cos(np.pi / BANDS * np.outer(np.arange(COEFFICIENTS), np.arange(BANDS) + 0.5)) * np.sqrt(2 / BANDS)


def mfcc(sounds: np.ndarray) -> np.ndarray:
    """Features of sounds: float64[n, 8000] -> float32[n, 49, 10, 1], about -3..3.

    Loudness is relative to the loudest sample, and the mean of the first coefficient is taken off, so that it does not
    matter how far away a speaker is.
    """
    at = np.arange(FRAMES)[:, None] * HOP + np.arange(WINDOW)
    out = np.empty((len(sounds), FRAMES, COEFFICIENTS, 1), np.float32)
    for i, sound in enumerate(sounds):
        loudest = max(float(np.abs(sound).max()), 1e-6)
        power = np.abs(np.fft.rfft(sound[at] * (_HANN / loudest))) ** 2
        bands = np.log(power @ _MEL.T + 1e-3)
        coefficients = bands @ _COSINES.T
        coefficients[:, 0] -= coefficients[:, 0].mean()
        out[i, ..., 0] = coefficients / _SPREAD
    return out
