"""`validate --train`: agreement, every kind of difference, and every way in which it cannot answer.

A stand-in for the Python that has TensorFlow gives answers that the NumPy executor has computed, so that all of this
is tested where TensorFlow is not installed; the last test asks TensorFlow itself.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcu_gen import api
from mcu_gen.api import training_validation
from mcu_gen.frontends.tensorflow_python import find_tensorflow
from mcu_gen.run import training_oracle
from mcu_gen.train import make_training_graph, parse_spec
from support.training import train_executor

from .conftest import BOARD, DIGITS, Cli

FLOAT = DIGITS / "digits_float.tflite"
SPEC, STEPS, RATE = "last:2", 5, 0.01

_STAND_IN = """\
#!{python}
import json, sys
import numpy as np
folder = sys.argv[2]
{before}
job = json.load(open(folder + "/job.json"))
answer = np.load({answer!r})
found = {{"loss": answer["loss"]}}
for what, steps in (("w", job["keep"]), ("g", job["gradients"])):
    for step in steps:
        found |= {{f"{{what}}/{{step}}/{{i}}": answer[what + n] for i, n in enumerate(job["variables"])}}
np.savez(folder + "/result.npz", **found)
json.dump({{"status": "ok", "version": "0.0"}}, open(folder + "/result.json", "w"))
"""


def stand_in(folder: Path, answer: dict[str, np.ndarray], before: str = "") -> Path:
    """A program that answers as TensorFlow would; ``before`` is what it does first."""
    np.savez(folder / "answer.npz", **answer)  # type: ignore[arg-type]
    path = folder / "python"
    path.write_text(_STAND_IN.format(python=sys.executable, answer=str(folder / "answer.npz"), before=before))
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five samples whose loss is not small, so that there is something to learn."""
    path = tmp_path_factory.mktemp("learning") / "d.npz"
    with np.load(DIGITS / "digits_test.npz") as file:
        np.savez(path, x=-file["x"][:STEPS].astype(np.float32), y=(file["y"][:STEPS] + 3) % 10)
    return path


@pytest.fixture(scope="module")
def answer(data: Path) -> dict[str, np.ndarray]:
    """Losses, weights and gradients by the NumPy executor."""
    found: dict[str, np.ndarray] = {}
    with np.load(data) as file:
        x, y = file["x"].reshape(-1, 1, 1, 8, 8, 1)[:, 0], file["y"].astype(np.int32).reshape(-1, 1)
    for rate, steps in ((RATE, STEPS), (2.0**30, 1)):
        graph = make_training_graph(api.load(FLOAT), parse_spec(SPEC), rate=rate)
        run = train_executor(graph, list(zip(x[:steps], y[:steps], strict=True)))
        initial = {n: graph.tensors[n].initial for n in run.weights}
        if steps > 1:
            found |= {"loss": run.losses.astype(np.float64)}
            found |= {f"w{n}": w.astype(np.float64) for n, w in run.weights.items()}
        else:
            found |= {f"g{n}": (initial[n].astype(np.float64) - w) / rate for n, w in run.weights.items()}  # type: ignore[union-attr]
    return found


@pytest.fixture(scope="module")
def ran_once(data: Path, answer: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the device did in a run that agrees."""
    folder = tmp_path_factory.mktemp("once")
    with pytest.MonkeyPatch.context() as patch:
        learn, seen = training_validation.learn, []
        patch.setenv("MCU_GEN_TENSORFLOW", str(stand_in(folder, answer)))
        patch.setattr(training_validation, "learn", lambda *args: seen.append(learn(*args)) or seen[0])
        check = api.TrainingCheck(
            steps=STEPS, rate=RATE, data=api.read_labelled(data), options=api.PlanOptions(train=SPEC)
        )
        assert api.validate_training(FLOAT, BOARD, check)["mismatches"] == 0
    return seen[0]


@pytest.fixture
def no_build(ran_once: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device of that run again, without compiling it again."""
    monkeypatch.setattr(training_validation, "open_device", lambda *_, **__: nullcontext())
    monkeypatch.setattr(training_validation, "learn", lambda *_: ran_once)


def arguments(data: Path, *more: object) -> list[object]:
    return ["validate", FLOAT, "--board", BOARD, "--train", SPEC, "--data", data, "--steps", STEPS, "--lr", RATE, *more]


def test_agreement(
    cli: Cli, data: Path, answer: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCU_GEN_TENSORFLOW", str(stand_in(tmp_path, answer)))
    ran = cli(*arguments(data, "--json", "-o", tmp_path / "kept"))
    assert ran.code == 0, ran.out
    found = ran.data
    assert {"samples", "elements", "mismatches", "max_abs_diff", "first_mismatch"} <= set(found)
    assert (found["mismatches"], found["first_mismatch"], found["skipped"]) == (0, None, 0)
    weights = sum(t["elements"] for t in found["tensors"])
    assert found["elements"] == STEPS + 2 * weights
    assert len(found["tensors"]) == 4
    assert all(t["gradient"] < 1e-5 and t["weights"] < t["allowed"] for t in found["tensors"])
    assert api.open_project(tmp_path / "kept").data["training_validation"]["mismatches"] == 0


@pytest.mark.usefixtures("no_build")
def test_people_read_a_table(
    cli: Cli, data: Path, answer: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line per tensor, the last layer first, and what was compared with what."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("MCU_GEN_TENSORFLOW", str(stand_in(tmp_path, answer)))
    lines = cli(*arguments(data)).out.splitlines()
    roles = [line.split()[1] for line in lines if "digits_1/" in line]
    assert roles == ["bias", "weights", "bias", "weights"]
    assert any("0 mismatches" in line for line in lines)
    assert max(map(len, lines)) <= 120


@pytest.mark.usefixtures("no_build")
@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("what", ["gradient", "weights"])
def test_a_difference_names_the_tensor(
    what: str, number: int, cli: Cli, data: Path, answer: dict[str, np.ndarray], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """One element that is off by a thousandth of the largest one, in each tensor, in gradients and in weights."""
    key = [k for k in answer if k.startswith(what[0])][number]
    wrong = answer[key].copy()
    at = int(np.argmax(np.abs(wrong)))
    wrong.reshape(-1)[at] *= 1.001
    monkeypatch.setenv("MCU_GEN_TENSORFLOW", str(stand_in(tmp_path, {**answer, key: wrong})))
    ran = cli(*arguments(data, "--json"))
    assert ran.code == 5, ran.out
    first, error = ran.data["first_mismatch"], ran.document["error"]
    assert error["code"] == "mismatch"
    assert (first["what"], first["tensor"], first["index"]) == (what, key[1:], at)
    assert first["step"] == (1 if what == "gradient" else STEPS)
    assert first["layer"]["name"] in error["where"]
    assert first["layer"]["role"] in error["where"]
    assert 1 <= ran.data["mismatches"] < 10


@pytest.mark.usefixtures("no_build")
@pytest.mark.parametrize("step", [0, 3])
def test_a_wrong_loss(
    step: int, cli: Cli, data: Path, answer: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = answer["loss"].copy()
    loss[step] *= 1.001
    monkeypatch.setenv("MCU_GEN_TENSORFLOW", str(stand_in(tmp_path, {**answer, "loss": loss})))
    ran = cli(*arguments(data, "--json"))
    assert ran.code == 5
    assert ran.data["first_mismatch"]["step"] == step + 1
    assert ("forward pass" in ran.document["error"]["where"]) == (step == 0)


def test_a_wrong_kernel_is_found(
    cli: Cli, data: Path, answer: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Generated C that applies half the gradient of a convolution: that layer is named, and no other tensor is wrong
    in its gradient."""
    monkeypatch.setenv("MCU_GEN_TENSORFLOW", str(stand_in(tmp_path, answer)))
    write = training_validation.write

    def wrong(made: Any, out: Any, **options: Any) -> Any:
        project = write(made, out, **options)
        (kernel,) = Path(out).glob("lib/*/src/*_conv2d_update_f32.c")
        text = kernel.read_text()
        assert "group, step[0], " in text
        kernel.write_text(text.replace("group, step[0], ", "group, 0.5f * step[0], "))
        return project

    monkeypatch.setattr(training_validation, "write", wrong)
    ran = cli(*arguments(data, "--json"))
    assert ran.code == 5, ran.out
    first = ran.data["first_mismatch"]
    assert (first["what"], first["layer"]["op"], first["layer"]["role"]) == ("gradient", "conv2d", "weights")
    far = [t["name"] for t in ran.data["tensors"] if t["gradient"] > 1e-5]
    assert far == [first["tensor"]]


@pytest.mark.parametrize(
    ("before", "words"),
    [("sys.exit(3)", "status 3"), ("import os; os.abort()", "status -6"), ("import time; time.sleep(60)", "no result"),
     ("json.dump({'status': 'error', 'message': 'a reason'}, open(folder + '/result.json', 'w')); sys.exit(0)",
      "a reason")],
)  # fmt: skip
def test_an_oracle_that_fails(
    before: str, words: str, cli: Cli, data: Path, answer: dict[str, np.ndarray], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("MCU_GEN_TENSORFLOW", str(stand_in(tmp_path, answer, before)))
    monkeypatch.setattr(training_oracle, "DEADLINE_S", 2.0)
    monkeypatch.setattr(training_oracle, "DEADLINE_PER_STEP_S", 0.0)
    ran = cli(*arguments(data, "--json"))
    assert ran.code == 7, ran.out
    error = ran.document["error"]
    assert error["code"] == "oracle"
    assert words in error["message"]


@pytest.mark.parametrize("program", ["", "/no/such/python", "{stand_in}"])
def test_no_tensorflow(
    program: str, cli: Cli, data: Path, answer: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not installed, a Python that is not there, a Python that lacks it."""
    path = stand_in(tmp_path, answer, f"sys.exit({training_oracle.training_child.MISSING})")
    monkeypatch.setenv("MCU_GEN_TENSORFLOW", program.replace("{stand_in}", str(path)))
    if not program:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    ran = cli(*arguments(data, "--json"))
    assert ran.code == 6, ran.out
    error = ran.document["error"]
    assert error["code"] == "tool_missing"
    assert any("pip install" in hint for hint in error["hints"])
    assert any("MCU_GEN_TENSORFLOW" in hint for hint in error["hints"])


def test_training_that_diverges(
    cli: Cli, data: Path, answer: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = answer["loss"].copy()
    loss[2:] = 1e30
    monkeypatch.setenv("MCU_GEN_TENSORFLOW", str(stand_in(tmp_path, {**answer, "loss": loss})))
    ran = cli(*arguments(data, "--json"))
    assert ran.code == 2
    assert (ran.document["error"]["where"], "step 3" in ran.document["error"]["message"]) == ("--lr", True)


@pytest.mark.parametrize(
    ("args", "where"),
    [
        (["--steps", 3], "--steps"), (["--lr", 0.1], "--lr"),
        (["--train", "head", "--oracle", "tflm"], "--oracle"), (["--train", "head", "--reset-state"], "--reset-state"),
        (["--train", "head", "--steps", 0], "--steps"), (["--train", "head", "--lr", 0], "--lr"),
        (["--train", "head", "--lr", "nan"], "--lr"), (["--train", "head", "--samples", 0], "--samples"),
        (["--train", "nothing"], "--train"), (["--train", "head", "--data", "{no labels}"], "x.npz"),
        (["--train", "head", "--data", "{npy}"], "x.npy"), (["--train", "head", "--data", "{short}"], "--data"),
        (["--train", "head", "--data", "{wrong}"], "y"),
    ],
)  # fmt: skip
def test_requests_that_are_refused(
    args: list[object], where: str, cli: Cli, answer: dict[str, np.ndarray], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("MCU_GEN_TENSORFLOW", str(stand_in(tmp_path, answer)))
    x = np.zeros((4, 8, 8, 1), np.float32)
    files: dict[object, Path] = {
        "{no labels}": tmp_path / "x.npz", "{npy}": tmp_path / "x.npy", "{short}": tmp_path / "short.npz",
        "{wrong}": tmp_path / "wrong.npz",
    }  # fmt: skip
    np.savez(files["{no labels}"], x=x)
    np.save(files["{npy}"], x)
    np.savez(files["{short}"], x=x, y=np.zeros(3, int))
    np.savez(files["{wrong}"], x=x, y=np.array([0, 1, 2, 10]))
    ran = cli("validate", FLOAT, "--board", BOARD, *(files.get(a, a) for a in args), "--json")
    assert ran.code == 2, ran.out
    assert where in ran.document["error"]["where"]


@pytest.mark.skipif(
    find_tensorflow() is None, reason="no TensorFlow here, and MCU_GEN_TENSORFLOW names no Python that has it"
)
@pytest.mark.shared
def test_frozen_layers_that_lost_channels(cli: Cli, shared: Path) -> None:
    """TensorFlow takes over from LiteRT's tensor without the channels that passes removed."""
    model = shared / "models" / "mobilenet_vww_int8.tflite"
    ran = cli("validate", model, "--board", BOARD, "--train", "last:2", "--steps", 2, "--json")
    assert ran.code == 0, ran.out
    assert ran.data["mismatches"] == 0


@pytest.mark.skipif(
    find_tensorflow() is None, reason="no TensorFlow here, and MCU_GEN_TENSORFLOW names no Python that has it"
)
def test_tensorflow_itself(cli: Cli, data: Path) -> None:
    """The digits network learns as TensorFlow does, from samples of a file and from random ones."""
    for args in (arguments(data), ["validate", FLOAT, "--board", BOARD, "--train", "all", "--steps", 4]):
        ran = cli(*args, "--json")
        assert ran.code == 0, ran.out
        assert ran.data["mismatches"] == 0
