"""Is somebody there?  A network that knows other offices is asked again and again, told the truth, and learns.

    python examples/occupancy/run.py                          # two generated offices one after the other, five seeds
    python examples/occupancy/run.py --data FOLDER            # the UCI set "Occupancy Detection"

Every row is predicted before it is learned from (prequential evaluation, Dawid 1984).  Fails with exit code 5 where a
seed does not make at least half of the mistakes disappear that the same network makes when it does not learn.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import figure  # noqa: E402
import learning  # noqa: E402
from rooms import DAY, generated, recorded  # noqa: E402

from mcu_gen.errors import UsageError  # noqa: E402

MODEL = HERE / "occupancy_float.tflite"

#: Every layer learns; raw numbers are standardized by the statistics of the stream.
TRAIN, RATE = "all,normalize=running", 0.005

#: Percent of the mistakes that must disappear.
FEWER = 50.0

#: Days in each of two offices, and minutes between two rows.
DAYS, EVERY = 7, 3

#: Points of the curves: the accuracy of that part of the stream.
WINDOWS = 28

Stream = tuple[np.ndarray, np.ndarray]


def moved(seed: int) -> Stream:
    """A week in one office, then the device is carried to another one."""
    parts = [generated(DAYS, 2 * seed + office) for office in range(2)]
    rows, labels = (np.concatenate(arrays)[::EVERY] for arrays in zip(*parts, strict=True))
    return rows, labels


def recordings(path: Path) -> Stream:
    """What was recorded, in the order of its dates."""
    try:
        return recorded(path)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot be read: {error}", where=str(path), hints=["give datatraining.txt of the UCI set, or its folder"]
        ) from None


def windows(right: np.ndarray) -> np.ndarray:
    """Percent of right predictions in each part of a stream."""
    return np.array([100 * part.mean() for part in np.array_split(right, WINDOWS)])


def live(learner: learning.Learner, stream: Stream, seed: int) -> tuple[np.ndarray, float]:
    """A stream without learning and with it.

    Returns:
        percent of right predictions [2, windows], and the percentage of mistakes that learning avoids.
    """
    rows, labels = stream
    curves, wrong = [], []
    for rate in (0.0, RATE):  # at a rate of 0 the statistics of the stream are followed all the same
        learner.reset()
        right = learner.learn(rows, labels, rate) == labels
        curves.append(windows(right))
        wrong.append(100 * (1 - float(right.mean())))
    print(
        f"seed {seed}: {len(labels):,} rows, {wrong[0]:.2f} % wrong without learning, {wrong[1]:.2f} % with", flush=True
    )
    return np.array(curves), 100 * (1 - wrong[1] / wrong[0]) if wrong[0] else 100.0


def draw(path: Path, curves: np.ndarray, days: float, generated_rooms: bool) -> None:
    """``curves`` are [seeds, 2, windows]."""
    at = (np.arange(WINDOWS) + 0.5) * days / WINDOWS
    lines = [
        figure.Curve("does not learn", at, curves[:, 0], figure.GREY),
        figure.Curve("learns", at, curves[:, 1], figure.BLUE),
    ]
    panel = figure.Panel(
        "right predictions, each before it was learned from",
        "days",
        lines,
        marks=[(DAYS, "another office")] if generated_rooms else [],
        low=float(max(0, curves.min() // 20 * 20)),
        last=days,
    )
    figure.write(path, "Is somebody in the office?", [panel])


def main() -> None:
    data = "a file of the UCI set 'Occupancy Detection', or the folder with its .txt files"
    args = learning.arguments(__doc__ or "", HERE / "occupancy.svg", data).parse_args()
    # There is one recorded stream, and its order is not to be changed: one run.
    streams = [recordings(args.data)] if args.data is not None else [moved(seed) for seed in range(args.seeds)]
    with tempfile.TemporaryDirectory() as name, learning.Learner(Path(name) / "occupancy", MODEL, TRAIN) as learner:
        runs = [live(learner, stream, seed) for seed, stream in enumerate(streams)]
        rows, labels = streams[0]
        if not args.no_emulator:
            print(learning.same_bits(learner, rows, labels, RATE))
    days = len(labels) / DAY * (EVERY if args.data is None else 1)
    draw(args.picture, np.array([r[0] for r in runs]), days, args.data is None)
    learning.check([learning.Demand("mistakes that learning avoids", FEWER, "%", [r[1] for r in runs])])


if __name__ == "__main__":
    learning.run(main)
