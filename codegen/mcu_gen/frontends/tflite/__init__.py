"""Reads .tflite files, without TensorFlow and without native code."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mcu_gen.errors import McuGenError, ModelFileError
from mcu_gen.frontends.tflite.importer import import_model
from mcu_gen.frontends.tflite.parse import parse, without_ignored_axes
from mcu_gen.frontends.tflite.tensors import unique_names
from mcu_gen.graph import Graph

__all__ = ["load_tflite", "read_file", "tensor_names", "without_ignored_axes"]

#: Larger files are no models for microcontrollers.
MAX_FILE_BYTES = 512 << 20


def load_tflite(source: Path | str | bytes, name: str | None = None) -> Graph:
    """The graph of a .tflite model.

    Args:
        source: a path, or the bytes of the file.
        name: name of the graph; without it, the stem of the file's name.

    Returns:
        A graph that has passed every check: shapes, types and quantization fit, every operator is supported.
        ``graph.warnings`` says what was odd, ``graph.sha256`` identifies the file.

    Raises:
        ModelFileError: the file cannot be read, is damaged, or contradicts itself (exit 2).
        UnsupportedModelError: the model holds something that is not supported; all of it is listed (exit 3).
    """
    path = None if isinstance(source, bytes) else Path(source)
    data = source if isinstance(source, bytes) else read_file(Path(source))
    try:
        graph = import_model(parse(data), name or (path.stem if path else "model"))
    except McuGenError as error:
        error.where = error.where or (str(path) if path else None)
        raise
    graph.sha256 = hashlib.sha256(data).hexdigest()
    return graph


def tensor_names(data: bytes) -> list[str]:
    """The name in the graph of every tensor of a file, by its index there (an oracle knows tensors by index).

    Raises:
        ModelFileError: the bytes are no TFLite model, or a damaged one.
    """
    return unique_names(parse(data).tensors)


def read_file(path: Path) -> bytes:
    """The bytes of a model file.

    Raises:
        ModelFileError: there is no such file, it cannot be read, or it is too large.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ModelFileError(f"the file has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read", where=str(path))
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelFileError("there is no such file", where=str(path)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelFileError(f"the file cannot be read: {reason}", where=str(path)) from None
