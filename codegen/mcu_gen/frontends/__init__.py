"""Model files -> :class:`~mcu_gen.graph.Graph`: :func:`load` looks at what a file holds and picks the reader."""

from __future__ import annotations

import os
from pathlib import Path

from mcu_gen.errors import ModelFileError
from mcu_gen.frontends import keras
from mcu_gen.frontends.tflite import load_tflite, read_file, tensor_names, without_ignored_axes
from mcu_gen.graph import Graph

__all__ = ["kind_of", "load", "load_bytes", "load_tflite", "tensor_names", "without_ignored_axes"]

_KINDS = "a .tflite file, a Keras model (.keras, .h5) or a SavedModel folder"


def kind_of(path: Path) -> str:
    """What a path holds: ``tflite``, ``keras``, ``h5`` or ``saved_model``; decided by content, not by name.

    Raises:
        ModelFileError: there is no such path, it cannot be read, or it is no model that is known.
    """
    if os.path.isdir(path):  # unlike Path.is_dir, False for an impossible path
        if os.path.isfile(path / "saved_model.pb"):
            return "saved_model"
        raise ModelFileError(
            "this folder is no SavedModel (it holds no saved_model.pb)", where=str(path), hints=[f"give {_KINDS}"]
        )
    head = _head(path)
    if head[4:8] == b"TFL3":
        return "tflite"
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "h5"
    if head.startswith(b"PK\x03\x04"):
        return "keras"
    if not head:
        raise ModelFileError("the file is empty", where=str(path))
    suffix = path.suffix.lower()
    hints = [f"give {_KINDS}"]
    if suffix == ".onnx":
        hints.insert(0, "convert the ONNX model to .tflite first (for example with onnx2tf)")
    elif suffix in (".pt", ".pth"):
        hints.insert(0, "convert the PyTorch model to .tflite first (for example with ai-edge-torch)")
    raise ModelFileError(
        f"this is not a model that is known (it begins with {head[:8]!r})", where=str(path), hints=hints
    )


def load_bytes(path: Path | str) -> bytes:
    """The .tflite bytes of a model: those of the file, or what TensorFlow's converter makes of a Keras model.

    Raises:
        ModelFileError: the model cannot be read or converted (exit 2).
        ToolMissingError: it is a Keras model and TensorFlow is not installed (exit 6).
    """
    path = Path(path)
    kind = kind_of(path)
    return read_file(path) if kind == "tflite" else keras.convert(path, kind)


def load(path: Path | str, name: str | None = None) -> Graph:
    """The graph of a model file of any known kind.

    Args:
        path: a .tflite file, a Keras model (``.keras``, ``.h5``) or a SavedModel folder.
        name: name of the graph; without it, the stem of the path.

    Raises:
        ModelFileError: the file cannot be read, is damaged or is no model (exit 2).
        UnsupportedModelError: it holds something that is not supported (exit 3).
        ToolMissingError: it is a Keras model and TensorFlow is not installed (exit 6).
    """
    path = Path(path)
    try:
        return load_tflite(load_bytes(path), name or path.stem)
    except ModelFileError as error:
        error.where = error.where or str(path)
        raise


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except FileNotFoundError:
        raise ModelFileError("there is no such file", where=str(path), hints=[f"give {_KINDS}"]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelFileError(f"the file cannot be read: {reason}", where=str(path)) from None
