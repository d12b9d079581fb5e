"""A ResNet8 behind a camera that has gone bad: biases and the last block learn, and the accuracy comes back.

    python examples/corrupted/run.py                                          # generated pictures, five seeds
    python examples/corrupted/run.py --data test_200.zip --model resnet8_int8.tflite --corruption fog

Fails with exit code 5 where one seed regains less than half of the accuracy that a corruption cost.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import figure  # noqa: E402
import learning  # noqa: E402
from pictures import CORRUPTIONS, generated, stored  # noqa: E402

from mcu_gen.errors import UsageError  # noqa: E402

MODEL = HERE / "pictures_int8.tflite"

#: All biases; the last block (two convolutions and the one around them) and the layer behind it whole.
TRAIN = "bias+last:4"

#: Learning rates of the passes; stored pictures are fewer, so there are more passes through them.
RATES, RATES_STORED = (0.001,) * 2 + (0.0005,) * 2, (0.001,) * 3 + (0.0005,) * 3

#: Percent of the lost accuracy that every seed must regain.
REGAINED = 50.0

#: Generated pictures that are learned from, and others to test with.
TAUGHT, TESTED = 300, 300

#: Share of stored pictures that the test gets.
TEST_SHARE = 0.4

Samples = tuple[np.ndarray, np.ndarray]
Split = tuple[Samples, Samples]


@dataclass
class Story:
    """What became of one corruption: accuracies in percent, ``curves`` [seeds, 1 + passes]; steps [1 + passes]."""

    name: str
    images: list[np.ndarray]
    before: np.ndarray
    steps: np.ndarray
    curves: np.ndarray

    @property
    def regained(self) -> list[float]:
        """Percent of what was lost, per seed."""
        lost = self.before - self.curves[:, 0]
        return [float(v) for v in 100 * (self.curves[:, -1] - self.curves[:, 0]) / np.where(lost > 0, lost, np.inf)]


def generated_split(seed: int) -> Split:
    return generated(TAUGHT, 100 + seed), generated(TESTED, 200 + seed)


def stored_split(path: Path) -> Callable[[int], Split]:
    """Other pictures for the test in every seed, as many of every class; those learned from also mirrored."""
    try:
        x, y = stored(path)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot be read: {error}", where=str(path), hints=["give a zip file with a folder of pictures per class"]
        ) from None

    def split(seed: int) -> Split:
        rng = np.random.default_rng([seed, 1])
        test = np.zeros(len(y), bool)
        for which in np.unique(y):
            own = rng.permutation(np.flatnonzero(y == which))
            test[own[: max(1, round(TEST_SHARE * len(own)))]] = True
        taught = np.concatenate([x[~test], x[~test][:, :, ::-1]])
        return (taught, np.tile(y[~test], 2)), (x[test], y[test])

    return split


def live(learner: learning.Learner, name: str, splits: list[Split], rates: tuple[float, ...]) -> Story:
    """One corruption, for every seed; ``rates`` are those of the passes."""
    before, curves, steps = [], [], np.zeros(0)
    for seed, ((x, y), (x_test, y_test)) in enumerate(splits):
        rng = np.random.default_rng(seed)
        bad, bad_test = CORRUPTIONS[name](x, rng), CORRUPTIONS[name](x_test, rng)
        learner.reset()
        before.append(100 * learner.accuracy(x_test, y_test))
        curve = [100 * learner.accuracy(bad_test, y_test)]
        for rate in rates:
            order = rng.permutation(len(y))
            learner.learn(bad[order], y[order], rate)
            curve.append(100 * learner.accuracy(bad_test, y_test))
        curves.append(curve)
        steps = np.arange(len(curve)) * len(y)
        print(
            f"{name}, seed {seed}: {before[-1]:.1f} % before, {curve[0]:.1f} % with it, {curve[-1]:.1f} % at last",
            flush=True,
        )
    (_, _), (x_test, y_test) = splits[0]
    shown = [int(np.flatnonzero(y_test == c)[0]) for c in np.unique(y_test)[:8]]
    images = list(CORRUPTIONS[name](x_test[shown], np.random.default_rng(0)))
    return Story(name, images, np.array(before), steps, np.array(curves))


def panel(story: Story) -> figure.Panel:
    before, lost = float(np.median(story.before)), float(np.median(story.curves[:, 0]))
    curve = figure.Curve(f"accuracy on test pictures ({before:.1f} % before)", story.steps, story.curves)
    wanted = lost + REGAINED / 100 * (before - lost)
    levels = [(wanted, f"half of the loss regained: {wanted:.1f} %")]
    return figure.Panel(story.name, "training steps", [curve], levels, images=story.images)


def arguments() -> argparse.Namespace:
    data = "zip file with a folder of pictures per class, in the order of the model's classes"
    parser = learning.arguments(__doc__ or "", HERE / "corrupted.svg", data)
    parser.add_argument("--model", type=Path, help="with --data: a network for these pictures, pixels from 0 to 255")
    names = list(CORRUPTIONS)
    parser.add_argument("--corruption", action="append", choices=names, help="one of them (all), may be repeated")
    args = parser.parse_args()
    if (args.data is None) != (args.model is None):
        parser.error("--data and --model go together")
    args.corruption = args.corruption or names
    return args


def main() -> None:
    args = arguments()
    split = generated_split if args.data is None else stored_split(args.data)
    splits = [split(seed) for seed in range(args.seeds)]
    model, rates = (MODEL, RATES) if args.data is None else (args.model, RATES_STORED)
    with tempfile.TemporaryDirectory() as name, learning.Learner(Path(name) / "corrupted", model, TRAIN) as learner:
        stories = [live(learner, corruption, splits, rates) for corruption in args.corruption]
        if not args.no_emulator:
            print(learning.same_bits(learner, *splits[0][0], rates[0]))
    figure.write(args.picture, "Corrupted pictures: biases and the last block learn", [panel(s) for s in stories])
    learning.check(
        [learning.Demand(f"{s.name}: regained", REGAINED, "% of the lost accuracy", s.regained) for s in stories]
    )


if __name__ == "__main__":
    learning.run(main)
