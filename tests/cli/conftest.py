"""Runs verbs inside this process, and makes the project and the broken models that several tests use."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcu_gen import api
from mcu_gen.cli import main
from support.tflite_builder import ModelBuilder

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "examples" / "digits"
MODEL = DIGITS / "digits_int8.tflite"
DATA = DIGITS / "digits_test.npz"
BOARD = "mps2_an386"


@dataclass(frozen=True)
class Ran:
    """A verb that has run."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document; stdout must hold nothing else."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document["data"]
        return found


Cli = Callable[..., Ran]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command line and captures what it writes."""

    def run(*args: object) -> Ran:
        capfd.readouterr()
        code = main([str(a) for a in args])
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits network, generated for an emulated board."""
    folder = tmp_path_factory.mktemp("cli") / "digits"
    api.generate(MODEL, BOARD, folder)
    return folder


@pytest.fixture(scope="session")
def learner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The float digits network with a training step, generated for an emulated board."""
    folder = tmp_path_factory.mktemp("cli") / "learner"
    api.generate(MODEL.with_name("digits_float.tflite"), BOARD, folder, train="head")
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models that are refused, each for its own reason."""
    folder = tmp_path_factory.mktemp("models")
    content = MODEL.read_bytes()
    files = {
        "truncated": content[: len(content) // 2],
        "empty": b"",
        "text": b"this is no model",
        "unsupported": _unsupported(),
    }
    paths = {}
    for name, data in files.items():
        paths[name] = folder / f"{name}.tflite"
        paths[name].write_bytes(data)
    paths["missing"] = folder / "missing.tflite"
    return paths


def _unsupported() -> bytes:
    """Two operators that are not supported, in one model."""
    b = ModelBuilder()
    for name in ("x", "a", "y"):
        b.tensor(name, (1, 8), "float32")
    b.op("SIN", ["x"], ["a"], version=1)
    b.op("COS", ["a"], ["y"], version=1)
    return bytes(b.inputs(["x"]).outputs(["y"]).build())


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve samples of the test split with labels."""
    path = tmp_path_factory.mktemp("samples") / "x.npz"
    with np.load(DATA) as data:
        np.savez(path, x=data["x"][:12], y=data["y"][:12])
    return path
