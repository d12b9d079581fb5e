"""Spoken digits: the head of a keyword network learns a new speaker, and old ones are not forgotten.

    python examples/keyword/run.py                           # generated voices, five new speakers
    python examples/keyword/run.py --data spoken_digits.zip  # recordings, without their takes of one speaker

Fails with exit code 5 where the new speaker gains less than 5 points on takes that the device did not learn from, or
the old ones lose more than 2.
"""

from __future__ import annotations

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
from features import mfcc  # noqa: E402
from speech import UNSEEN, crowd, generated, recorded  # noqa: E402

from mcu_gen.errors import UsageError  # noqa: E402
from mcu_gen.frontends import tensorflow_python  # noqa: E402

MODEL = HERE / "keyword_int8.tflite"

#: The head learns; three kept takes are learned from again in every step.
KEPT = 200
TRAIN = f"head,replay={KEPT},replay_steps=3"

#: Learning rates of the passes through the new speaker's takes, and how often is looked in each.
RATES, LOOKS = (0.02, 0.02, 0.01, 0.005), 2

#: Points on unseen takes: what a new speaker must gain, and what the old ones may lose.
GAINED, LOST = 5.0, 2.0

#: Generated voices: old speakers, takes of a new one that are learned from, and unseen ones.
OLD, TAUGHT, TESTED = 10, 10, 20

Samples = tuple[np.ndarray, np.ndarray]


@dataclass
class Talk:
    """Features and digits: what the device learns from, what it keeps of the old speakers, and two tests."""

    taught: Samples
    kept: Samples
    new: Samples
    old: Samples


def featured(sounds: np.ndarray, digits: np.ndarray) -> Samples:
    return mfcc(sounds), digits


def generated_talk() -> Callable[[int], Talk]:
    """Another new speaker for every seed."""
    kept = featured(*crowd(range(OLD), range(UNSEEN, UNSEEN + 2)))
    old = featured(*crowd(range(OLD), range(2)))

    def talk(seed: int) -> Talk:
        sounds, digits = generated(seed, range(TAUGHT + TESTED), foreign=True)
        x, cut = mfcc(sounds), TAUGHT * 10
        return Talk((x[:cut], digits[:cut]), kept, (x[cut:], digits[cut:]), old)

    return talk


def recorded_talk(path: Path, who: str) -> Callable[[int], Talk]:
    """The takes of a file; seeds differ in what is kept of the old speakers, and in the order."""
    try:
        speakers = recorded(path)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot be read: {error}", where=str(path), hints=["give a zip file of 8 kHz digit_speaker_take.wav"]
        ) from None
    if who not in speakers or len(speakers) < 2:
        raise UsageError(
            f"there are takes of {', '.join(speakers)}: {who!r} and another one are needed", where="--new",
            hints=["name the speaker that the network is not to know"],
        )  # fmt: skip
    sounds, digits, numbers = speakers.pop(who)
    x, unseen = mfcc(sounds), numbers < UNSEEN
    others = [np.concatenate(arrays) for arrays in zip(*speakers.values(), strict=True)]
    x_old, old = mfcc(others[0]), others[2] < UNSEEN

    def talk(seed: int) -> Talk:
        some = np.random.default_rng([seed, 1]).permutation(np.flatnonzero(~old))[:KEPT]
        return Talk(
            (x[~unseen], digits[~unseen]), (x_old[some], others[1][some]), (x[unseen], digits[unseen]),
            (x_old[old], others[1][old]),
        )  # fmt: skip

    return talk


def trained(path: Path, who: str, folder: Path) -> Path:
    """A network that TensorFlow trains on the takes of a file without those of ``who``."""
    python = tensorflow_python.need_tensorflow("training a network on recordings", str(path))
    out = folder / "recorded.tflite"
    command = [python, str(HERE / "make_model.py"), "--data", str(path.resolve()), "--without", who, "-o", str(out)]
    print(f"training a network that does not know {who} (a minute or two)", flush=True)
    with (folder / "log").open("w+b") as log:
        if tensorflow_python.run_child([*command, "--epochs", "60"], log, 1800) != 0:
            log.seek(0)
            last = log.read().decode(errors="replace").strip().splitlines()[-1:]
            raise UsageError(f"make_model.py failed: {''.join(last)}", where=str(path))
    return out


def live(learner: learning.Learner, talk: Talk, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps, and per look the accuracy on unseen takes of the new speaker and of the old ones, [looks, 2] percent."""

    def look() -> tuple[float, float]:
        return learner.accuracy(*talk.new) * 100, learner.accuracy(*talk.old) * 100

    learner.reset()
    # At a learning rate of 0 takes enter the replay buffer, and no weight changes.
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(talk.kept[1]))
    learner.learn(talk.kept[0][order], talk.kept[1][order], 0.0)
    steps, seen = [0], [look()]
    x, y = talk.taught
    for rate in RATES:
        for part in np.array_split(rng.permutation(len(y)), LOOKS):
            learner.learn(x[part], y[part], rate)
            steps.append(steps[-1] + len(part))
            seen.append(look())
    (new, old), (new_now, old_now) = seen[0], seen[-1]
    print(
        f"seed {seed}: new speaker {new:.1f} % -> {new_now:.1f} %, old ones {old:.1f} % -> {old_now:.1f} %", flush=True
    )
    return np.array(steps), np.array(seen)


def draw(path: Path, steps: np.ndarray, seen: np.ndarray) -> None:
    least = float(np.median(seen[:, 0, 1])) - LOST
    title = "unseen takes of "
    new = figure.Panel(
        title + "the new speaker", "training steps", [figure.Curve("accuracy", steps, seen[..., 0], figure.ORANGE)],
        low=float(max(0, seen[..., 0].min() // 20 * 20)),
    )  # fmt: skip
    old = figure.Panel(
        title + "the old speakers", "training steps", [figure.Curve("accuracy", steps, seen[..., 1])],
        [(least, f"{LOST:g} points lost")], low=float(max(0, min(90, seen[..., 1].min() // 10 * 10))),
    )  # fmt: skip
    figure.write(path, "A keyword network gets to know a new speaker", [new, old])


def main() -> None:
    parser = learning.arguments(__doc__ or "", HERE / "keyword.svg", "zip file of 8 kHz digit_speaker_take.wav")
    parser.add_argument("--new", default="theo", help="with --data: the speaker that the network does not know (theo)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.data is None:
            talk, model = generated_talk(), MODEL
        else:
            talk = recorded_talk(args.data, args.new)
            model = trained(args.data, args.new, folder)
        with learning.Learner(folder / "keyword", model, TRAIN) as learner:
            runs = [live(learner, talk(seed), seed) for seed in range(args.seeds)]
            if not args.no_emulator:
                print(learning.same_bits(learner, *talk(0).taught, RATES[0]))
    seen = np.array([r[1] for r in runs])
    draw(args.picture, runs[0][0], seen)
    change = seen[:, -1] - seen[:, 0]
    learning.check(
        [
            learning.Demand("new speaker, unseen takes: gained", GAINED, "points", change[:, 0].tolist()),
            learning.Demand("old speakers, unseen takes: change", -LOST, "points", change[:, 1].tolist()),
        ]
    )


if __name__ == "__main__":
    learning.run(main)
