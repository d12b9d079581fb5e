"""Keras models and SavedModels -> .tflite, through TensorFlow's own converter in a child process.

TensorFlow is imported by the child alone: its start-up time, its log and its crashes stay outside.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from mcu_gen.errors import ModelFileError, ToolMissingError
from mcu_gen.frontends import tensorflow_python

#: Seconds for loading TensorFlow and converting; minutes-long conversions are those of large models.
DEADLINE_S = 600

_MISSING = 90
_UNREADABLE = 91

# Runs in the child as python -c _PROGRAM KIND SOURCE TARGET.  The batch is fixed to 1: firmware computes one sample.
_PROGRAM = f"""
import sys
kind, source, target = sys.argv[1:]
try:
    import tensorflow as tf
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit({_MISSING})
try:
    if kind != "saved_model":
        model = tf.keras.models.load_model(source, compile=False)
        specs = [tf.TensorSpec([1] + [1 if d is None else d for d in x.shape[1:]], x.dtype, name=x.name)
                 for x in model.inputs]
        archive = tf.keras.export.ExportArchive()
        archive.track(model)
        call = lambda *x: model(x[0] if len(x) == 1 else list(x), training=False)
        archive.add_endpoint("serve", call, input_signature=specs)
        source = target + ".saved"
        archive.write_out(source, verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(source)
    flat = converter.convert()
except Exception as error:
    print(f"{{type(error).__name__}}: {{error}}", file=sys.stderr)
    sys.exit({_UNREADABLE})
with open(target, "wb") as file:
    file.write(flat)
"""


def convert(path: Path, kind: str, deadline_s: float = DEADLINE_S) -> bytes:
    """The float32 .tflite bytes of a Keras model.

    Args:
        path: the ``.keras`` or ``.h5`` file, or the SavedModel folder.
        kind: ``keras``, ``h5`` or ``saved_model``.
        deadline_s: the conversion is ended after that many seconds.

    Raises:
        ModelFileError: TensorFlow cannot load or convert it; the message is TensorFlow's (exit 2).
        ToolMissingError: TensorFlow is not installed (exit 6).
    """
    python = tensorflow_python.find_tensorflow()
    if python is None:
        raise _missing(path)
    with tempfile.TemporaryDirectory(prefix="mcu-gen-keras-") as folder:
        source = Path(path).resolve()
        if kind != "saved_model":  # Keras picks its reader by the name
            link = Path(folder) / f"model.{kind}"
            link.symlink_to(source)
            source = link
        target = Path(folder) / "model.tflite"
        with (Path(folder) / "log").open("w+b") as log:
            try:
                code = tensorflow_python.run_child(
                    [python, "-c", _PROGRAM, kind, str(source), str(target)], log, deadline_s
                )
            except subprocess.TimeoutExpired:
                raise ModelFileError(
                    f"TensorFlow did not convert the model in {deadline_s:g} s", where=str(path)
                ) from None
            log.seek(0)
            text = log.read().decode(errors="replace").strip()
        last = text.splitlines()[-1] if text else "no message"
        if code == _MISSING:
            raise _missing(path, last)
        if code == _UNREADABLE:
            raise ModelFileError(f"TensorFlow cannot convert the model: {last}", where=str(path))
        if code != 0 or not target.is_file():
            raise ModelFileError(f"TensorFlow ended with status {code} on this model: {last}", where=str(path))
        return target.read_bytes()


def _missing(path: Path, detail: str = "") -> ToolMissingError:
    error = tensorflow_python.missing("reading Keras models", str(path), detail)
    error.hints.append("or convert the model to .tflite elsewhere and give that file")
    return error
