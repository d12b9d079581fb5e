"""Streams of a room, a row a minute: temperature (deg C), humidity (%), light (lx), CO2 (ppm), humidity ratio; a label.

The generated room is a balance of masses and energy: people come and go, breathe out CO2 and water, switch lamps on and
warm the air; the sun shines in, and the windows leak.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

COLUMNS = ("Temperature", "Humidity", "Light", "CO2", "HumidityRatio")

#: Minutes of a day.
DAY = 1440


def generated(days: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """An office of one's own: where it is, how large, when people come, all of that depends on the seed.

    Returns:
        rows float32[days x 1440, 5] and labels int64[days x 1440] (1: somebody is there), from a Monday's midnight on.
    """
    rng = np.random.default_rng(seed)
    people = np.concatenate([_people(day, rng) for day in range(days)])
    minute = np.arange(days * DAY)
    # The sun, through clouds that drift by.
    clock = minute % DAY
    height = np.sin((clock - 390) / 720 * np.pi) * ((clock > 390) & (clock < 1110))
    sun = height * np.clip(0.6 + _slow(len(minute), 90, rng) * 0.35, 0.05, 1)
    lamps = people > 0
    forgotten = rng.random(days) < 0.25
    for day in np.flatnonzero(forgotten):
        there = np.flatnonzero(lamps[day * DAY : (day + 1) * DAY])
        if there.size:
            last = day * DAY + there[-1]
            lamps[last : last + int(rng.integers(20, 60))] = True
    lamp, window = rng.uniform(250, 420), rng.uniform(150, 500)
    light = lamp * lamps * rng.normal(1, 0.03, len(minute)) + window * sun + rng.normal(0, 1.5, len(minute))
    # dC/dt = breath - leak (C - outside), and so for water and heat.
    volume, leak = rng.uniform(35, 60), rng.uniform(0.006, 0.015)
    co2, water, warmth = np.empty((3, len(minute)))
    c, w, t = 430.0, rng.uniform(0.0035, 0.005), 20.0
    outside_w, outside_t = w, rng.uniform(3, 12) + 3 * _slow(len(minute), 400, rng)
    heated = rng.uniform(19.5, 21.5)
    for i, n in enumerate(people):
        c += n * 320 / volume - leak * (c - 420)
        w += n * 1.6e-5 * 50 / volume * 0.6 - leak * (w - outside_w) + 1e-5 * rng.normal()
        works = heated - (0 if 420 < i % DAY < 1140 else 1.5)
        t += 0.02 * n + 0.012 * lamps[i] + 0.05 * sun[i] - 0.004 * (t - outside_t[i]) + 0.08 * max(0, works - t)
        co2[i], water[i], warmth[i] = c, w, t
    ratio = water + rng.normal(0, 8e-6, len(minute))
    temperature = warmth + rng.normal(0, 0.03, len(minute))
    saturation = 6.112 * np.exp(17.62 * temperature / (243.12 + temperature))  # hPa (Magnus)
    humidity = 100 * ratio * 1013 / (0.622 + ratio) / saturation + rng.normal(0, 0.1, len(minute))
    rows = [temperature, humidity, np.clip(light, 0, None), co2 + rng.normal(0, 6, len(minute)), ratio]
    return np.stack(rows, axis=1).astype(np.float32), (people > 0).astype(np.int64)


def _people(day: int, rng: np.random.Generator) -> np.ndarray:
    """How many are there in every minute of a day; nobody at weekends."""
    there = np.zeros(DAY, np.int64)
    if day % 7 >= 5:
        return there
    for _ in range(int(rng.integers(1, 4))):
        come, go = rng.normal(510, 25), rng.normal(1050, 40)
        lunch = rng.normal(740, 20)
        for a, b in ((come, lunch), (lunch + rng.uniform(25, 60), go)):
            there[int(a) : int(b)] += 1
    for _ in range(int(rng.integers(0, 4))):  # meetings elsewhere
        start = int(rng.uniform(540, 1000))
        there[start : start + int(rng.integers(15, 70))] = 0
    return there


def _slow(count: int, minutes: float, rng: np.random.Generator) -> np.ndarray:
    """A wandering number of mean 0 and deviation 1 that forgets in about so many minutes."""
    keep = np.exp(-1 / minutes)
    steps = rng.normal(0, np.sqrt(1 - keep**2), count)
    out, value = np.empty(count), rng.normal()
    for i, step in enumerate(steps):
        value = out[i] = keep * value + step
    return out


def recorded(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the UCI set "Occupancy Detection" (Candanedo and Feldheim 2016): a file, or all .txt files of a folder.

    Rows of several files are put into the order of their dates.

    Returns:
        as :func:`generated`, however many rows there are.

    Raises:
        OSError, ValueError: a file cannot be read, or holds something else.
    """
    files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    rows = []
    for file in files:
        with file.open(newline="", encoding="utf-8") as text:
            lines = csv.reader(text)
            names = next(lines, [])
            if "Date" not in names or "Occupancy" not in names or any(c not in names for c in COLUMNS):
                raise ValueError(f"{file.name} has no columns Date, {', '.join(COLUMNS)}, Occupancy")
            # In the original files every row has a number in front that the first line has no name for.
            at = [names.index(n) - len(names) for n in ("Date", *COLUMNS, "Occupancy")]
            rows += [(line[at[0]], [float(line[i]) for i in at[1:-1]], int(line[at[-1]])) for line in lines if line]
    if not rows:
        raise ValueError("there are no rows in it")
    rows.sort(key=lambda row: row[0])
    return np.array([r[1] for r in rows], np.float32), np.array([r[2] for r in rows], np.int64)
