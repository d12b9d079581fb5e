"""Colour pictures of ten classes, generated ones and those of a file, and what may happen to a camera."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

#: Height and width of a generated picture, and its classes.
SIZE = 24
CLASSES = ("disk", "ring", "square", "frame", "triangle", "cross", "stripes", "checks", "crescent", "dots")


def generated(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Shapes of random place, size, angle and colour in front of a random ground.

    Returns:
        pictures uint8[count, 24, 24, 3] and classes int64[count], as many of each class as can be.
    """
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(count) % len(CLASSES))
    return np.stack([_picture(int(c), rng) for c in y]), y


def _picture(which: int, rng: np.random.Generator) -> np.ndarray:
    # Four points in every pixel, so that edges are smooth.
    fine = 2 * SIZE
    v, u = (np.mgrid[:fine, :fine] + 0.5) / fine * 2 - 1
    radius = rng.uniform(0.45, 0.75)
    angle = rng.uniform(-0.35, 0.35)
    u, v = u - rng.uniform(-0.25, 0.25), v - rng.uniform(-0.25, 0.25)
    a = (np.cos(angle) * u + np.sin(angle) * v) / radius
    b = (np.cos(angle) * v - np.sin(angle) * u) / radius
    inside = _shape(CLASSES[which], a, b)
    dark, light = rng.uniform(0, 0.45, 3), rng.uniform(0.55, 1, 3)
    ground, ink = (dark, light) if rng.random() < 0.5 else (light, dark)
    slope = rng.normal(0, 0.12, (2, 1, 1, 1)) * np.stack([u, v])[..., None]
    fill = np.where(inside[..., None], ink, ground) + slope.sum(axis=0)
    smooth = fill.reshape(SIZE, 2, SIZE, 2, 3).mean(axis=(1, 3)) + rng.normal(0, 0.02, (SIZE, SIZE, 3))
    return np.clip(np.round(smooth * 255), 0, 255).astype(np.uint8)


def _shape(name: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which points a shape of about the radius 1 covers."""
    r, box = np.hypot(a, b), np.maximum(abs(a), abs(b))
    if name == "disk":
        return r < 1
    if name == "ring":
        return (r < 1) & (r > 0.55)
    if name == "square":
        return box < 0.9
    if name == "frame":
        return (box < 0.9) & (box > 0.5)
    if name == "triangle":
        return (b < 0.7) & (b > 2 * abs(a) - 1)
    if name == "cross":
        return (box < 1) & (np.minimum(abs(a), abs(b)) < 0.3)
    if name == "stripes":
        return (box < 0.95) & (np.mod(b * 1.5, 1) < 0.5)
    if name == "checks":
        return (box < 0.95) & ((np.mod(a * 1.1, 1) < 0.5) ^ (np.mod(b * 1.1, 1) < 0.5))
    if name == "crescent":
        return (r < 1) & (np.hypot(a - 0.45, b) > 0.75)
    return np.hypot(np.mod(a * 1.3, 1) - 0.5, np.mod(b * 1.3, 1) - 0.5) < 0.3 * (r < 1.1)


def stored(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of a zip file with a folder for every class, as of CIFAR-10 in JPEG: ``cat/0001.jpg``.

    Returns:
        pictures uint8[n, height, width, 3], and int64[n], the folders in the order of the alphabet.

    Raises:
        OSError, ValueError: the file cannot be read, or holds something else.
    """
    from PIL import Image

    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(n for n in archive.namelist() if n.lower().endswith((".jpg", ".jpeg", ".png")))
            folders = sorted({Path(n).parent.name for n in names})
            found = [np.asarray(Image.open(io.BytesIO(archive.read(n))).convert("RGB")) for n in names]
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from None
    if len({p.shape for p in found}) != 1:
        raise ValueError(f"there are pictures of {len({p.shape for p in found})} sizes in it, one is wanted")
    return np.stack(found), np.array([folders.index(Path(n).parent.name) for n in names])


def _clipped(x: np.ndarray) -> np.ndarray:
    return np.clip(np.round(x), 0, 255).astype(np.uint8)


def noisy(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A sensor in the dark: normal noise."""
    return _clipped(x + rng.normal(0, 40, x.shape))


def foggy(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A fogged lens: three quarters of the contrast are gone, and what is left is bright."""
    del rng
    return _clipped(0.25 * x + 0.75 * 200)


def blurred(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A lens out of focus: every pixel is a mean of 5 x 5, weighted by the binomials 1, 4, 6, 4, 1."""
    del rng
    height, width = x.shape[1:3]
    padded = np.pad(x.astype(np.float64), ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    weights = np.array([1, 4, 6, 4, 1]) / 16
    rows = sum(w * padded[:, i : i + height] for i, w in enumerate(weights))
    return _clipped(sum(w * rows[:, :, i : i + width] for i, w in enumerate(weights)))


#: What happens to pictures, as in CIFAR-10-C (Hendrycks and Dietterich 2019).
CORRUPTIONS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "noise": noisy,
    "fog": foggy,
    "blur": blurred,
}
