"""What is trained and how: the value of ``--train``.

``WHAT[,key=value...]`` or a TOML file with the key ``what`` and the same keys.  WHAT is ``head`` (the last layer with
weights), ``last:N``, ``all``, ``bias`` (the biases of all layers) or ``layers=a+b`` (by name); behind ``bias+`` the
biases of all other layers are trained with ``head``, ``last:N`` or ``layers=``.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcu_gen.errors import UsageError
from mcu_gen.graph import DType

LOSSES = ("softmax_cross_entropy", "mse", "mae", "huber")
OPTIMIZERS = ("sgd", "momentum", "adam")
ROUNDINGS = ("master", "stochastic", "nearest")

#: Loss scale at the start where it is dynamic.
FIRST_LOSS_SCALE = 2.0**10

_FORMS = "head, last:N, all, bias, layers=a+b, or bias+ and head, last:N or layers="


@dataclass(frozen=True)
class TrainSpec:
    """A training request.

    Attributes:
        what: ``last``, ``all``, ``bias`` or ``layers``.
        count: layers, for ``last``.
        layers: names, for ``layers``.
        biases: the biases of all other layers are trained too.
        loss: one of :data:`LOSSES`, or "" for what the network's end suggests.
        optimizer: one of :data:`OPTIMIZERS`.
        momentum: the factor of ``momentum``.
        dtype: what activations and gradients are stored in, FLOAT32 or FLOAT16.
        batch: samples whose gradients are averaged before an update.
        weight_decay: every update also takes learning rate x decay x weight off a weight (decoupled, as in Keras).
        clip: the largest global norm of a gradient; 0 does not clip.
        loss_scale: factor of all gradients while they are stored in halves; 0 stands for a dynamic one.
        rounding: how weights of float16 training are kept: a float32 ``master``, or halves that updates round
            ``stochastic``-ally or to ``nearest``.
        batch_norm: ``frozen``, or ``running``: factors and offsets of channels that a converter left of a batch
            normalization become one whose statistics follow the stream.
        normalize: ``none``, or ``running``: the input is standardized by the statistics of the stream.
        replay: samples that a replay buffer holds; 0 for none.
        replay_steps: how many of them every step trains on after the new sample.
        text: the request as the user wrote it.
    """

    what: str
    count: int = 1
    layers: tuple[str, ...] = ()
    biases: bool = False
    loss: str = ""
    optimizer: str = "sgd"
    momentum: float = 0.9
    dtype: DType = DType.FLOAT32
    batch: int = 1
    weight_decay: float = 0.0
    clip: float = 0.0
    loss_scale: float = 1.0
    rounding: str = "master"
    batch_norm: str = "frozen"
    normalize: str = "none"
    replay: int = 0
    replay_steps: int = 1
    text: str = ""

    @property
    def mode(self) -> str:
        """``immediate``: a weight gradient is applied as it is made; ``accumulate``: all gradients first."""
        immediate = self.optimizer == "sgd" and self.batch == 1 and not self.clip
        return "immediate" if immediate else "accumulate"


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"use {', '.join(choices)}")
        return text

    return read


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = float(text) if text.strip() == text and "_" not in text else math.nan
        if not low <= value <= high:
            raise ValueError(f"use a number from {low:g} to {high:g}")
        return value

    return read


def _count(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise ValueError(f"use a number from 1 to {most}")
        return int(text)

    return read


def _dtype(text: str) -> DType:
    return {"f32": DType.FLOAT32, "f16": DType.FLOAT16}[_one_of("f32", "f16")(text)]


def _loss_scale(text: str) -> float:
    if text == "dynamic":
        return 0.0
    value = _number(2.0**-20, 2.0**40)(text)
    if math.frexp(value)[0] != 0.5:
        raise ValueError("use dynamic, or a power of two")
    return value


#: The keys, and how their values are read.
_KEYS: dict[str, Callable[[str], Any]] = {
    "optimizer": _one_of(*OPTIMIZERS),
    "loss": _one_of(*LOSSES),
    "dtype": _dtype,
    "batch": _count(1 << 20),
    "momentum": _number(0, 1),
    "weight_decay": _number(0, 1),
    "clip": _number(1e-6, 1e6),
    "loss_scale": _loss_scale,
    "rounding": _one_of(*ROUNDINGS),
    "batch_norm": _one_of("frozen", "running"),
    "normalize": _one_of("none", "running"),
    "replay": _count(1 << 16),
    "replay_steps": _count(16),
}


def parse_spec(text: str) -> TrainSpec:
    """Reads the value of ``--train``.

    Raises:
        UsageError: it is not understood, or its parts do not go together.
    """
    if text.endswith(".toml"):
        return _from_file(Path(text))
    what, *pairs = (part.strip() for part in text.split(","))
    options: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"{pair!r} is no key=value", where="--train", hints=[f"keys are {', '.join(_KEYS)}"])
        if key in options:
            raise UsageError(f"{key} is given twice", where="--train")
        options[key] = value
    return _checked(what, options, text)


def _from_file(path: Path) -> TrainSpec:
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"is no TOML: {error}", where=str(path)) from None
    plain = {k: v for k, v in data.items() if isinstance(v, (str, int, float)) and not isinstance(v, bool)}
    if len(plain) != len(data) or not isinstance(plain.get("what"), str):
        wrong = [k for k in data if k not in plain] or ["what"]
        raise UsageError(
            f"{wrong[0]} must be there and be a string or a number", where=str(path), hints=[f"what = one of {_FORMS}"]
        )
    strings = {k: v if isinstance(v, str) else f"{v:g}" for k, v in plain.items()}
    what = strings.pop("what")
    return _checked(what, strings, ",".join([what, *(f"{k}={v}" for k, v in sorted(strings.items()))]))


def _checked(what: str, options: Mapping[str, str], text: str) -> TrainSpec:
    values: dict[str, Any] = {}
    for key, value in options.items():
        if key not in _KEYS:
            raise UsageError(f"{key}={value} is not supported", where="--train", hints=[f"keys are {', '.join(_KEYS)}"])
        try:
            values[key] = _KEYS[key](value)
        except ValueError as error:
            raise UsageError(f"{key}={value} is not supported", where="--train", hints=[str(error)]) from None
    rest = what.removeprefix("bias+")
    kind, count, layers = _what(rest)
    if rest != what and kind not in ("last", "layers"):
        raise UsageError(f"{what!r} does not say what is trained", where="--train", hints=[f"use {_FORMS}"])
    if "momentum" in values and values.get("optimizer") != "momentum":
        raise UsageError("momentum=... goes with optimizer=momentum", where="--train")
    if "replay_steps" in values and "replay" not in values:
        raise UsageError("replay_steps=... goes with replay=N", where="--train")
    half = values.get("dtype") is DType.FLOAT16
    for key in ("rounding", "loss_scale"):
        if key in values and not half:
            raise UsageError(f"{key}={options[key]} goes with dtype=f16: float32 needs neither", where="--train")
    if half:
        values.setdefault("loss_scale", 0.0)
    return TrainSpec(kind, count, layers, rest != what, text=text, **values)


def _what(what: str) -> tuple[str, int, tuple[str, ...]]:
    if what == "head":
        return "last", 1, ()
    if what in ("all", "bias"):
        return what, 1, ()
    if what.startswith("last:") and what[5:].isdecimal() and int(what[5:]) > 0:
        return "last", int(what[5:]), ()
    names = tuple(name for name in what.removeprefix("layers=").split("+") if name)
    if what.startswith("layers=") and names:
        return "layers", 1, names
    raise UsageError(f"{what!r} does not say what is trained", where="--train", hints=[f"use {_FORMS}"])
