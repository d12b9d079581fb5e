"""Drifts of the digits: arrays ``x`` float32[n, 8, 8, 1] in 0..1 and ``y`` int64[n], as a stream and a test split."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mcu_gen.api import read_labelled
from mcu_gen.errors import UsageError

Samples = tuple[np.ndarray, np.ndarray]
Split = tuple[Samples, Samples]

#: Degrees by which the new writer's digits are turned, and pixels by which a row leans further than the one below it.
TURN, LEAN = 15.0, 0.5


def inverted(stream: Samples, test: Samples) -> Split:
    """Dark digits on a bright ground become bright ones on a dark ground, or the other way round."""
    return (1 - stream[0], stream[1]), (1 - test[0], test[1])


def leaning(stream: Samples, test: Samples) -> Split:
    """The digits as a hand writes them that leans and turns the paper."""
    return (_turned(stream[0]), stream[1]), (_turned(test[0]), test[1])


def _turned(x: np.ndarray) -> np.ndarray:
    """Every pixel from where it came, interpolated between four pixels (what lies outside is 0)."""
    size = x.shape[1]
    t = np.deg2rad(TURN)
    matrix = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]) @ np.array([[1, 0], [LEAN, 1]])
    middle = (size - 1) / 2
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size), indexing="ij")) - middle
    row, column = np.tensordot(matrix, grid, 1) + middle
    padded = np.pad(x, ((0, 0), (size, size), (size, size), (0, 0)))
    top, left = np.floor(row).astype(int), np.floor(column).astype(int)
    down, right = (row - top)[..., None], (column - left)[..., None]
    out = np.zeros_like(x)
    for i, a in ((0, 1 - down), (1, down)):
        for j, b in ((0, 1 - right), (1, right)):
            out += (a * b * padded[:, top + size + i, left + size + j]).astype(np.float32)
    return out


def written(path: Path) -> Split:
    """Digits from a file: the first three quarters of them are the stream, the others the test.

    Args:
        path: lines of 64 pixels in 0..16 and the digit, as ``optdigits.tra`` of the UCI Machine Learning Repository has
            them ("Optical Recognition of Handwritten Digits", CC BY 4.0: 3,823 digits by 30 writers that
            scikit-learn's digits do not come from), or a .npz file with ``x`` [n, 8, 8] in 0..1 or 0..16 and ``y``.

    Raises:
        UsageError: the file is missing or is neither.
    """
    if path.suffix == ".npz":
        arrays, y = read_labelled(path)
        x = arrays.get("x", np.zeros(0))
    else:
        try:
            table = np.loadtxt(path, delimiter=",", ndmin=2)
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot be read: {error}", where=str(path)) from None
        x, y = table[:, :-1], table[:, -1]
    if x.size != 64 * len(y) or len(y) < 40 or not np.isin(y, np.arange(10)).all():
        raise UsageError(
            f"pixels of shape {list(x.shape)} and {len(y)} labels are no digits of 8 x 8 pixels, 40 of them at least",
            where=str(path), hints=["give lines of 64 pixels and a digit, or a .npz with x [n, 8, 8] and y"],
        )  # fmt: skip
    x = x.reshape(-1, 8, 8, 1).astype(np.float32) / (16 if x.max() > 1 else 1)
    y = y.astype(np.int64)
    cut = len(y) * 3 // 4
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])
