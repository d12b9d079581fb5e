"""What is trained and how: the value of ``--train``.

``WHAT[,key=value...]`` or a TOML file with the key ``what`` and the same keys.  WHAT is ``head`` (the last layer with
weights), ``last:N``, ``all``, ``bias`` (the biases of all layers) or ``layers=a+b`` (by name).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mcu_gen.errors import UsageError

LOSSES = ("softmax_cross_entropy", "mse")

#: The keys, and the values that they take ("" stands for the default).
_CHOICES = {"optimizer": ("sgd",), "loss": LOSSES, "dtype": ("f32",)}

#: Keys with a whole number from 1 on, and the largest.
_COUNTS = {"replay": 1 << 16, "replay_steps": 16}

_KEYS = ", ".join((*_CHOICES, *_COUNTS))

_FORMS = "head, last:N, all, bias, layers=a+b"


@dataclass(frozen=True)
class TrainSpec:
    """A training request.

    Attributes:
        what: ``last``, ``all``, ``bias`` or ``layers``.
        count: layers, for ``last``.
        layers: names, for ``layers``.
        loss: ``softmax_cross_entropy``, ``mse``, or "" for what the network's end suggests.
        replay: samples that a replay buffer holds; 0 for none.
        replay_steps: how many of them every step trains on after the new sample.
        text: the request as the user wrote it.
    """

    what: str
    count: int = 1
    layers: tuple[str, ...] = ()
    loss: str = ""
    replay: int = 0
    replay_steps: int = 1
    text: str = ""


def parse_spec(text: str) -> TrainSpec:
    """Reads the value of ``--train``.

    Raises:
        UsageError: it is not understood, or asks for something that this version does not train with.
    """
    if text.endswith(".toml"):
        return _from_file(Path(text))
    what, *pairs = (part.strip() for part in text.split(","))
    options: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"{pair!r} is no key=value", where="--train", hints=[f"keys are {_KEYS}"])
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
    strings = {k: v for k, v in data.items() if isinstance(v, str)}
    if len(strings) != len(data) or "what" not in strings:
        wrong = [k for k in data if k not in strings] or ["what"]
        raise UsageError(
            f"{wrong[0]} must be there and be a string", where=str(path), hints=[f"what = one of {_FORMS}"]
        )
    what = strings.pop("what")
    return _checked(what, strings, ",".join([what, *(f"{k}={v}" for k, v in sorted(strings.items()))]))


def _checked(what: str, options: Mapping[str, str], text: str) -> TrainSpec:
    for key, value in options.items():
        if key in _COUNTS:
            continue
        if key not in _CHOICES:
            raise UsageError(f"{key}={value} is not supported", where="--train", hints=[f"keys are {_KEYS}"])
        if value not in _CHOICES[key]:
            raise UsageError(
                f"{key}={value} is not supported", where="--train", hints=[f"use {', '.join(_CHOICES[key])}"]
            )
    kind, count, layers = _what(what)
    counts = {key: _count(key, options[key]) for key in _COUNTS if key in options}
    if "replay_steps" in counts and "replay" not in counts:
        raise UsageError("replay_steps=... goes with replay=N", where="--train")
    return TrainSpec(kind, count, layers, options.get("loss", ""), text=text, **counts)


def _count(key: str, value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= _COUNTS[key]:
        raise UsageError(
            f"{key}={value} is not supported", where="--train", hints=[f"use a number from 1 to {_COUNTS[key]}"]
        )
    return int(value)


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
