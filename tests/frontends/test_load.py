"""``load`` picks the reader by what a file holds, and says clearly what is wrong with a path."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mcu_gen.errors import ModelFileError, ToolMissingError
from mcu_gen.frontends import keras, kind_of, load, load_bytes
from mcu_gen.frontends.tensorflow_python import find_tensorflow, tensorflow_version
from mcu_gen.graph import Executor
from support.small_models import float_network

needs_tensorflow = pytest.mark.skipif(
    find_tensorflow() is None, reason="no TensorFlow here, and MCU_GEN_TENSORFLOW names no Python that has it"
)

HEADS = {
    "tflite": b"\x1c\x00\x00\x00TFL3",
    "h5": b"\x89HDF\r\n\x1a\n" + b"\0" * 8,
    "keras": b"PK\x03\x04" + b"\0" * 12,
}


@pytest.mark.parametrize("kind", sorted(HEADS))
def test_content_decides_and_not_the_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(HEADS[kind])
    assert kind_of(path) == kind


def test_saved_model_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no SavedModel"):
        kind_of(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    assert kind_of(tmp_path) == "saved_model"


@pytest.mark.parametrize(
    ("name", "content", "text", "hint"),
    [
        ("a.tflite", None, "there is no such file", "give a .tflite file"),
        ("a.tflite", b"", "the file is empty", ""),
        ("a.tflite", b"hello, world", "not a model that is known", "give a .tflite file"),
        ("a.onnx", b"\x08\x07\x12\x07pytorch", "not a model that is known", "convert the ONNX model"),
        ("a.pt", b"\x80\x02\x8a\x0a", "not a model that is known", "convert the PyTorch model"),
        ("a.tflite", HEADS["tflite"], "damaged", "again"),
    ],
)
def test_errors_name_the_file(tmp_path: Path, name: str, content: bytes | None, text: str, hint: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError, match=text) as caught:
        load(path)
    assert caught.value.where == str(path)
    assert caught.value.exit_code == 2
    assert hint in " ".join(caught.value.hints)


@pytest.mark.parametrize("path", ["with\0zero.tflite", "x" * 5000])
def test_impossible_paths(path: str) -> None:
    with pytest.raises(ModelFileError):
        load(path)


def test_name_is_the_stem(tmp_path: Path) -> None:
    path = tmp_path / "my net.tflite"
    path.write_bytes(float_network().build())
    assert load(path).name == "my net"
    assert load(str(path), "other").name == "other"
    assert load_bytes(path) == path.read_bytes()


def test_keras_without_tensorflow_is_exit_6(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(HEADS["keras"])
    real = importlib.util.find_spec
    monkeypatch.delenv("MCU_GEN_TENSORFLOW", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == "tensorflow" else real(n, *a))
    with pytest.raises(ToolMissingError) as caught:
        load(path)
    assert caught.value.exit_code == 6
    assert "pip install 'mcu-gen[keras]'" in caught.value.hints


@pytest.mark.parametrize("program", ["/no/such/python", sys.executable])
def test_a_named_python_without_tensorflow_is_exit_6(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is believed, and the answer names it."""
    path = tmp_path / "m.keras"
    path.write_bytes(HEADS["keras"])
    monkeypatch.setenv("MCU_GEN_TENSORFLOW", program)
    monkeypatch.setattr(keras, "_PROGRAM", keras._PROGRAM.replace("import tensorflow", "import no_tensorflow"))
    with pytest.raises(ToolMissingError, match="MCU_GEN_TENSORFLOW") as caught:
        load(path)
    assert any("MCU_GEN_TENSORFLOW" in hint for hint in caught.value.hints)


def test_the_version_is_that_of_the_named_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho 9.8.7\n")
    program.chmod(0o755)
    monkeypatch.setenv("MCU_GEN_TENSORFLOW", str(program))
    assert tensorflow_version() == "9.8.7"
    monkeypatch.setenv("MCU_GEN_TENSORFLOW", "/no/such/python")
    assert tensorflow_version() is None


def test_conversion_that_hangs_or_dies_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(HEADS["keras"])
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: object())
    monkeypatch.setattr(keras, "_PROGRAM", "import time; time.sleep(60)")
    with pytest.raises(ModelFileError, match=r"in 0\.5 s"):
        keras.convert(path, "keras", deadline_s=0.5)
    monkeypatch.setattr(keras, "_PROGRAM", "import os; print('fatal'); os.abort()")
    with pytest.raises(ModelFileError, match="status -6"):
        keras.convert(path, "keras")


@needs_tensorflow
def test_damaged_keras_file(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(HEADS["keras"])
    with pytest.raises(ModelFileError, match="TensorFlow cannot convert the model") as caught:
        load(path)
    assert caught.value.where == str(path)


_MAKE = """
import sys, numpy as np, tensorflow as tf
folder = sys.argv[1]
tf.keras.utils.set_random_seed(0)
model = tf.keras.Sequential([
    tf.keras.Input((8, 8, 1)), tf.keras.layers.Conv2D(4, 3, activation="relu"), tf.keras.layers.MaxPool2D(),
    tf.keras.layers.Flatten(), tf.keras.layers.Dense(3, activation="softmax")])
model.save(f"{folder}/m.keras"); model.save(f"{folder}/m.h5"); model.export(f"{folder}/saved")
x = np.random.default_rng(0).normal(size=(1, 8, 8, 1)).astype("float32")
np.savez(f"{folder}/data.npz", x=x, y=model(x).numpy())
"""


@pytest.fixture(scope="module")
def keras_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keras")
    python = find_tensorflow()
    assert python is not None
    subprocess.run([python, "-c", _MAKE, str(folder)], check=True, timeout=300, capture_output=True)
    return folder


@needs_tensorflow
@pytest.mark.parametrize("name", ["m.keras", "m.h5", "saved"])
def test_keras_models_compute_what_keras_computes(keras_models: Path, name: str) -> None:
    graph = load(keras_models / name)
    data = np.load(keras_models / "data.npz")
    assert graph.tensors[graph.inputs[0]].shape == (1, 8, 8, 1)
    result = Executor(graph).run({graph.inputs[0]: data["x"]})[graph.outputs[0]]
    np.testing.assert_allclose(result, data["y"], rtol=1e-4, atol=1e-6)
