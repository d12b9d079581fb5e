"""From a float model file and a file of samples to an int8 .tflite file with a report and a gate."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mcu_gen.errors import McuGenError, MismatchError, UsageError
from mcu_gen.frontends import load_bytes
from mcu_gen.graph import Graph
from mcu_gen.quantize.calibrate import samples_of
from mcu_gen.quantize.hybrid import load_float
from mcu_gen.quantize.ptq import Options, prepare, quantize_graph
from mcu_gen.quantize.report import QuantizeReport, compare
from mcu_gen.quantize.writer import write_tflite

_WORST_SHOWN = 3


def quantize_model(
    path: str | Path,
    calib: str | Path | Mapping[str, np.ndarray],
    out: str | Path,
    *,
    method: str = "minmax",
    percentile: float = 99.99,
    per_channel: bool = True,
    io: str = "int8",
    min_top1_agreement: float | None = None,
    eval_data: str | Path | Mapping[str, np.ndarray] | None = None,
) -> QuantizeReport:
    """Quantizes a float model to int8 and writes it as .tflite.

    Args:
        path: float .tflite, Keras model or SavedModel; a dynamic-range ("hybrid") .tflite works too, its weights are
            turned back into floats first.
        calib: calibration samples: an .npz with an array per input (its name, or ``x`` when there is one input), an
            .npy for one input, or the arrays themselves; first axis = samples.
        out: the file to write; it appears whole or not at all, and only when the gate is passed.
        method, percentile, per_channel, io: see :class:`~mcu_gen.quantize.ptq.Options`.
        min_top1_agreement: the gate: fraction of samples on which float and int8 model must agree.
        eval_data: samples for the report and the gate; the calibration samples when left out.

    Raises:
        UsageError: an option or the data are wrong (exit 2).
        ModelFileError: the model cannot be read (exit 2).
        UnsupportedModelError: it cannot be quantized (exit 3).
        MismatchError: top-1 agreement is below the gate (exit 5).
    """
    options = Options(method, percentile, per_channel, io)
    if min_top1_agreement is not None and not 0 <= min_top1_agreement <= 1:
        raise UsageError(
            f"the gate is {min_top1_agreement:g}, it must be a fraction from 0 to 1", where="--min-agreement"
        )
    data = load_bytes(path)
    graph = prepare(_load(data, Path(path)))
    samples = samples_of(graph, _arrays(calib, "--calib"))
    quantized, names = quantize_graph(graph, samples, options)
    if eval_data is not None:
        samples = samples_of(graph, _arrays(eval_data, "--eval"), "--eval")
    report = compare(graph, quantized, names, samples)
    _gate(report, min_top1_agreement, str(path))
    written = write_tflite(quantized)
    _write(Path(out), written)
    return dataclasses.replace(report, float_bytes=len(data), int8_bytes=len(written))


def _load(data: bytes, path: Path) -> Graph:
    try:
        return load_float(data, path.stem)
    except McuGenError as error:
        error.where = error.where or str(path)
        raise


def _arrays(source: str | Path | Mapping[str, np.ndarray], where: str) -> Mapping[str, np.ndarray]:
    """The arrays of an .npz or .npy file; pickled objects are never loaded."""
    if isinstance(source, Mapping):
        return source
    try:
        loaded = np.load(source, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"x": loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except FileNotFoundError:
        raise UsageError(f"there is no file {source}", where=where) from None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise UsageError(f"{source} cannot be read as .npz or .npy: {error}", where=where) from None


def _gate(report: QuantizeReport, least: float | None, where: str) -> None:
    if least is None:
        return
    if report.top1_agreement is None:
        raise UsageError(
            "the model has one output value, so there is no top-1 agreement to ask for", where="--min-agreement"
        )
    if report.top1_agreement < least:
        worst = sorted(report.layers, key=lambda layer: layer.sqnr_db)[:_WORST_SHOWN]
        raise MismatchError(
            f"float and int8 model agree on {report.top1_agreement:.1%} of {report.samples} samples, "
            f"at least {least:.1%} are asked for; the worst layers are "
            + ", ".join(f"{layer.name} ({layer.sqnr_db:.1f} dB)" for layer in worst),
            where=where,
            hints=[
                "calibrate with more samples that look like those in use",
                "try --method mse or --method percentile",
                "use per-channel weights",
            ],
        )


def _write(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).chmod(0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"the file cannot be written: {error.strerror or error}", where=str(path)) from None
