"""What the examples of learning on the device share: a firmware that learns, the demands on it, the command line.

The device is the generated firmware, compiled for this machine because that is fast.  :func:`same_bits` shows that an
emulated Cortex-M4 takes the same steps bit by bit.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from mcu_gen import api
from mcu_gen.api.training import labels_of
from mcu_gen.errors import McuGenError, MismatchError
from mcu_gen.graph import Graph

#: A Cortex-M4 with a floating-point unit that QEMU emulates.
BOARD = "mps2_an386"

#: Steps that the host and the emulated core are compared in.
STEPS_COMPARED = 12


class MissedError(McuGenError):
    """The device learned less than the example promises (exit 5)."""

    exit_code = 5
    code = "missed"


class Learner:
    """A firmware that learns, as a context manager.

    Args:
        folder: where the project is generated.
        model: a .tflite file, or a graph.
        train: the value of ``--train``.
    """

    def __init__(self, folder: Path, model: Path | Graph, train: str) -> None:
        api.generate(model, BOARD, folder, train=train)
        self.project = api.open_project(folder)
        self._device = api.open_device(self.project, "host")

    def __enter__(self) -> Self:
        self._device.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._device.close()

    def reset(self) -> None:
        """The weights of the model again."""
        self._device.reset_state()

    def predictions(self, x: np.ndarray) -> np.ndarray:
        """Classes that an inference finds, int64[samples]."""
        outputs, _ = self._device.infer_many(self._samples(x))
        return np.array([np.argmax(o[0]) for o in outputs])

    def accuracy(self, x: np.ndarray, y: np.ndarray) -> float:
        """Share of the samples that are classified rightly."""
        return float(np.mean(self.predictions(x) == y))

    def learn(self, x: np.ndarray, y: np.ndarray, rate: float) -> np.ndarray:
        """One training step per sample; the class that each was taken for before its own update, int64[samples]."""
        self._device.set_learning_rate(rate)
        found = []
        for sample, label in zip(self._samples(x), labels_of(self.project, y), strict=True):
            self._device.train_step(sample, label)
            found.append(int(np.argmax(self._device.read_outputs()[0])))
        return np.array(found)

    def _samples(self, x: np.ndarray) -> list[list[np.ndarray]]:
        inputs = self.project.inputs
        return api.unbatch(api.as_batch(x, inputs), inputs)


@dataclass
class Demand:
    """A threshold and what the seeds reached: the example fails where one of them is below."""

    what: str
    least: float
    unit: str
    reached: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        values = ", ".join(f"{v:.1f}" for v in self.reached)
        met = "✓" if min(self.reached) >= self.least else "✗"
        return f"{met} {self.what}: {values} {self.unit} (demanded: {self.least:g})"


def check(demands: Sequence[Demand]) -> None:
    """Prints what was reached.

    Raises:
        MissedError: a seed is below a threshold.
    """
    for demand in demands:
        print(demand)
    for demand in demands:
        low = [f"seed {i}: {v:.1f}" for i, v in enumerate(demand.reached) if v < demand.least]
        if low:
            raise MissedError(
                f"{', '.join(low)} {demand.unit}, at least {demand.least:g} are demanded", where=demand.what
            )


def same_bits(learner: Learner, x: np.ndarray, y: np.ndarray, rate: float) -> str:
    """Takes a few steps on this machine and on an emulated Cortex-M4, and compares losses and weights bit by bit.

    Returns:
        what was found, in words; it also says so where there is no emulator or compiler.

    Raises:
        MismatchError: they differ.
    """
    absent = [p for p in ("qemu-system-arm", "arm-none-eabi-gcc") if shutil.which(p) is None]
    if absent:
        return f"not compared with an emulated Cortex-M4: no {' and no '.join(absent)} here"
    x, y = x[:STEPS_COMPARED], y[:STEPS_COMPARED]
    host, core = (
        api.train(learner.project.dir, x, y, steps=len(x), rate=rate, on=on, shuffle=0) for on in ("host", "qemu")
    )
    different = [n for n in host.weights if host.weights[n].tobytes() != core.weights[n].tobytes()]
    if different or host.loss != core.loss:
        raise MismatchError(
            f"after {len(x)} steps {', '.join(different) or 'losses'} differ from those on this machine",
            where="emulated Cortex-M4", hints=["report this with the model: both run the same generated C"],
        )  # fmt: skip
    return (
        f"an emulated Cortex-M4 takes the same {len(x)} steps, bit by bit: {core.instructions_per_step:,} instructions "
        "each (simulated)"
    )


def arguments(text: str, picture: Path, data: str) -> argparse.ArgumentParser:
    """The options that all examples have.

    Args:
        text: what the example is about.
        picture: where its picture goes.
        data: what ``--data`` names.
    """
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help=data)
    parser.add_argument("--seeds", type=_count, default=5, help="runs, each with its own order of samples (5)")
    parser.add_argument("-o", "--picture", type=Path, default=picture, help=f"where the picture goes ({picture.name})")
    parser.add_argument("--no-emulator", action="store_true", help="leave out the steps on an emulated Cortex-M4")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of runs: give 1 or more")
    return int(text)


def run(main: Callable[[], None]) -> None:
    """Runs an example; errors are answers, with the exit codes of ``mcu-gen``."""
    try:
        main()
    except McuGenError as error:
        print(f"error: {error}", file=sys.stderr)
        for hint in error.hints:
            print(f"  try: {hint}", file=sys.stderr)
        sys.exit(error.exit_code)
