"""The oracles: LiteRT's reference kernels and tflite-micro, never our own code.

Both are native code that crashes or corrupts its heap on some models, so they run in a child process with a
deadline (:mod:`mcu_gen.run.oracle_child`); each job in a process of its own.  Their rounding is the specification.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mcu_gen.errors import DeviceError, ToolMissingError

#: One sample: the array of the only input, arrays in the order of the model's inputs, or arrays by tensor name.
Sample = np.ndarray | Sequence[np.ndarray] | Mapping[str, np.ndarray]
#: Samples: a list of them, or one array with the samples along its first axis (models with one input).
Samples = np.ndarray | Sequence[Sample]

#: Default deadline of a job: a fixed part, and per sample (the reference kernels do about 0.1 GMAC/s).
DEADLINE_S = 120.0
DEADLINE_PER_SAMPLE_S = 5.0
_START_DEADLINE_S = 60.0
_PACKAGES = {"litert": ("ai-edge-litert", "LiteRT"), "tflm": ("tflite-micro", "tflite-micro")}


class OracleError(DeviceError):
    """An oracle did not give a result for a model.

    Attributes:
        kind: ``refused`` (it raised an error), ``crash`` (its process died), ``deadline`` or ``input`` (the samples do
            not fit the model's inputs).
        log: the end of what the oracle printed.
    """

    code = "oracle"

    def __init__(self, message: str, *, where: str | None, kind: str, log: str = "", hints: Sequence[str] = ()) -> None:
        super().__init__(message, where=where, hints=hints)
        self.kind = kind
        self.log = log


@dataclass(frozen=True)
class OracleJob:
    """One model with its samples.

    Attributes:
        model: bytes of a .tflite file, or its path.
        inputs: the samples, see :data:`Samples`; shapes may differ from the model's as long as the number of elements
            is the same, dtypes may not.
        keep_all: keep every tensor that an operator writes (LiteRT only).
        reset_state: set variable tensors to their initial values before each sample; otherwise they keep their state.
        runtime: ``litert`` or ``tflm``.
        deadline_s: seconds for the whole job; by default more for more samples.
    """

    model: bytes | Path
    inputs: Samples
    keep_all: bool = False
    reset_state: bool = False
    runtime: str = "litert"
    deadline_s: float | None = None

    @property
    def limit_s(self) -> float:
        """The deadline that holds."""
        return DEADLINE_S + DEADLINE_PER_SAMPLE_S * len(self.inputs) if self.deadline_s is None else self.deadline_s


@dataclass(frozen=True)
class OracleResult:
    """What an oracle computed.

    Attributes:
        outputs: per sample the list of output arrays in the order of the model's outputs.
        tensors: per sample, tensor index -> array for every tensor that an operator writes (``keep_all`` only).
        names: tensor index -> name of those tensors.
        input_names, output_names: names in the order of the model.
        arena: tflite-micro only: bytes of its arena: ``total``, ``head`` (activations and scratch), ``tail``
            (persistent structures, with the pointers of a 64-bit host).
    """

    outputs: list[list[np.ndarray]]
    tensors: list[dict[int, np.ndarray]] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    input_names: list[str] = field(default_factory=list)
    output_names: list[str] = field(default_factory=list)
    arena: dict[str, int] = field(default_factory=dict)


def run_litert(
    model: bytes | Path,
    inputs: Samples,
    *,
    keep_all: bool = False,
    reset_state: bool = False,
    deadline_s: float | None = None,
) -> OracleResult:
    """Runs ``inputs`` through LiteRT ``BUILTIN_REF`` in a child process.

    Raises:
        OracleError: LiteRT refused the model, crashed or passed the deadline, or the samples do not fit.
        ToolMissingError: the package ``ai-edge-litert`` is not installed.
    """
    return _only(OracleJob(model, inputs, keep_all, reset_state, "litert", deadline_s))


def run_tflm(
    model: bytes | Path, inputs: Samples, *, reset_state: bool = False, deadline_s: float | None = None
) -> OracleResult:
    """Runs ``inputs`` through tflite-micro in a child process (extra ``tflm``); raises as :func:`run_litert`."""
    return _only(OracleJob(model, inputs, False, reset_state, "tflm", deadline_s))


def tflm_arena_bytes(model: bytes | Path, *, deadline_s: float | None = None) -> int | None:
    """Bytes of arena that tflite-micro uses for ``model``; None where it is not installed or cannot run the model.

    The figure is that of its recording allocator on this machine: activations, scratch and persistent structures
    (whose pointers have 8 bytes here and 4 on a microcontroller).
    """
    try:
        arena = _only(OracleJob(model, [], runtime="tflm", deadline_s=deadline_s)).arena
    except (OracleError, ToolMissingError):
        return None
    return arena.get("total")


def run_litert_many(jobs: Sequence[OracleJob]) -> list[OracleResult | OracleError]:
    """Runs many jobs in one child process, one after the other.

    A job that fails, crashes or hangs has its :class:`OracleError` in its place of the list and costs the others
    nothing.  Jobs of ``runtime="tflm"`` may be among them.

    Raises:
        ToolMissingError: a package that a job needs is not installed.
        DeviceError: the child process itself failed.
    """
    if not jobs:
        return []
    for runtime in {job.runtime for job in jobs}:
        _require(runtime)
    with tempfile.TemporaryDirectory(prefix="mcu-gen-oracle-") as name:
        folder = Path(name)
        (folder / "jobs.json").write_text(json.dumps([_describe(folder, i, job) for i, job in enumerate(jobs)]))
        _run_child(folder, _START_DEADLINE_S + sum(job.limit_s for job in jobs))
        return [_collect(folder, number, job) for number, job in enumerate(jobs)]


def oracle_version(runtime: str = "litert") -> str | None:
    """Version of the installed package of ``runtime`` (``litert`` or ``tflm``), None where it is not installed."""
    try:
        return importlib.metadata.version(_PACKAGES[runtime][0])
    except importlib.metadata.PackageNotFoundError:
        return None


def _only(job: OracleJob) -> OracleResult:
    result = run_litert_many([job])[0]
    if isinstance(result, OracleError):
        raise result
    return result


def _require(runtime: str) -> None:
    package, title = _PACKAGES[runtime]
    if oracle_version(runtime) is None:
        pip = "mcu-gen[tflm]" if runtime == "tflm" else package
        raise ToolMissingError(f"{title} is not installed (package {package})", hints=[f"pip install '{pip}'"])


def _arrays(inputs: Samples) -> tuple[int, dict[str, np.ndarray]]:
    """Number of samples and their arrays under the keys that the child expects."""
    arrays: dict[str, np.ndarray] = {}
    for number, sample in enumerate(inputs):
        if isinstance(sample, Mapping):
            arrays.update({f"{number}/={name}": np.asarray(array) for name, array in sample.items()})
        elif isinstance(sample, np.ndarray | np.generic):
            arrays[f"{number}/0"] = np.asarray(sample)
        else:
            arrays.update({f"{number}/{position}": np.asarray(array) for position, array in enumerate(sample)})
    return len(inputs), arrays


def _describe(folder: Path, number: int, job: OracleJob) -> dict[str, Any]:
    """Writes the files of a job; returns its line in jobs.json."""
    content = job.model if isinstance(job.model, bytes) else job.model.read_bytes()
    model = folder / f"{hashlib.sha256(content).hexdigest()[:32]}.tflite"
    if not model.exists():
        model.write_bytes(content)
    samples, arrays = _arrays(job.inputs)
    inputs = folder / f"in{number}.npz"
    with inputs.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    return {
        "model": model.name,
        "inputs": inputs.name,
        "samples": samples,
        "keep_all": job.keep_all,
        "reset_state": job.reset_state,
        "runtime": job.runtime,
        "deadline_s": job.limit_s,
    }


def _run_child(folder: Path, deadline_s: float) -> None:
    """Runs the child over ``folder``; it and its jobs are gone when this returns, however it returns."""
    package_root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment["PYTHONPATH"] = os.pathsep.join(p for p in (package_root, os.environ.get("PYTHONPATH")) if p)
    with (folder / "child.log").open("w+b") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mcu_gen.run.oracle_child", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=deadline_s)
        except subprocess.TimeoutExpired:
            raise DeviceError(f"the oracle process did not end in {deadline_s:g} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code != 0:
        raise DeviceError(f"the oracle process ended with status {code}: {log_tail(folder / 'child.log')}")


def log_tail(path: Path, lines: int = 5) -> str:
    """The last lines of a log."""
    if not path.exists():
        return ""
    return "\n".join(path.read_text(errors="replace").strip().splitlines()[-lines:])


def _collect(folder: Path, number: int, job: OracleJob) -> OracleResult | OracleError:
    """What a job left behind."""
    where = str(job.model) if isinstance(job.model, Path) else None
    title = _PACKAGES[job.runtime][1]
    status = json.loads((folder / f"{number}.json").read_text())
    if status["status"] != "ok":
        kind, message, log = status["kind"], status["message"], log_tail(folder / f"{number}.log")
        text = {
            "refused": f"{title} refuses the model: {message}",
            "crash": f"{title} crashed on the model ({message}); this is a fault of the oracle, no result exists",
            "deadline": f"{title}: {message}",
            "input": message,
        }[kind]
        return OracleError(text, where=where, kind=kind, log=log)
    outputs: list[dict[int, np.ndarray]] = []
    tensors: list[dict[int, np.ndarray]] = []
    with np.load(folder / f"{number}.npz", allow_pickle=False) as archive:
        for key in archive.files:
            sample, what, index = key.split("/")
            into = outputs if what == "o" else tensors
            while len(into) <= int(sample):
                into.append({})
            into[int(sample)][int(index)] = archive[key]
    return OracleResult(
        outputs=[[found[k] for k in sorted(found)] for found in outputs],
        tensors=tensors,
        names={int(index): name for index, name in status["tensor_names"].items()},
        input_names=status["input_names"],
        output_names=status["output_names"],
        arena=status.get("arena", {}),
    )
