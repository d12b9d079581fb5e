"""The process in which LiteRT and tflite-micro run: ``python -m mcu_gen.run.oracle_child FOLDER``.

``FOLDER/jobs.json`` lists the jobs; job *i* leaves ``i.json`` (status) and ``i.npz`` (tensors).  Every job runs in a
fork of this process, which has imported the runtime already: an interpreter that corrupts its heap, crashes or
hangs takes only its own job with it, and a job costs milliseconds.  Only JSON and plain .npz cross the border
(nothing that the reader would execute).
"""

from __future__ import annotations

import importlib
import json
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

# Address space of one job: a model with absurd dimensions gets an allocation failure, and not the machine's memory.
MEMORY_LIMIT_BYTES = 8 << 30
TFLM_ARENA_BYTES = 64 << 20

_SCHEMA = "ai_edge_litert.schema_py_generated"
_MODULES = {"litert": "ai_edge_litert.interpreter", "tflm": "tflite_micro.python.tflite_micro.runtime"}

Tensors = dict[str, np.ndarray]


class _InputError(Exception):
    """The job cannot be done for a reason that the caller is told in plain words."""


def _sample_arrays(archive: Mapping[str, np.ndarray], sample: int, names: list[str]) -> list[np.ndarray]:
    """The arrays of one sample in the order of the model's inputs; keys are ``SAMPLE/POSITION`` or ``SAMPLE/=NAME``."""
    arrays = []
    for position, name in enumerate(names):
        array = archive.get(f"{sample}/={name}", archive.get(f"{sample}/{position}"))
        if array is None:
            raise _InputError(f"sample {sample} lacks input {position} ({name!r}); the model's inputs are {names}")
        arrays.append(array)
    given = sum(1 for key in archive if key.startswith(f"{sample}/"))
    if given != len(names):
        raise _InputError(f"sample {sample} has {given} arrays, the model has {len(names)} inputs: {names}")
    return arrays


def _fitted(array: np.ndarray, details: Mapping[str, Any], name: str) -> np.ndarray:
    """``array`` in the shape of an input; its element type must be the input's."""
    shape, dtype = tuple(int(n) for n in details["shape"]), np.dtype(details["dtype"])
    if array.dtype != dtype:
        raise _InputError(f"input {name!r} is {dtype}, the sample is {array.dtype}")
    if array.size != int(np.prod(shape, dtype=np.int64)):
        raise _InputError(f"input {name!r} has shape {list(shape)}, the sample has shape {list(array.shape)}")
    return np.ascontiguousarray(array.reshape(shape))


def _schema_subgraph(model: bytes) -> Any:
    return importlib.import_module(_SCHEMA).Model.GetRootAs(model, 0).Subgraphs(0)


def _written_tensors(model: bytes) -> list[int]:
    """Indices of the tensors that operators write, in execution order: the intermediates, without the constants."""
    graph = _schema_subgraph(model)
    written: list[int] = []
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        written += [int(operator.Outputs(k)) for k in range(operator.OutputsLength())]
    return [index for index in dict.fromkeys(written) if index >= 0]


def run_litert(model: bytes, inputs: Mapping[str, np.ndarray], job: Mapping[str, Any]) -> tuple[Tensors, Any]:
    """All samples of a job through LiteRT's reference kernels (``BUILTIN_REF``), one thread, no delegate."""
    litert = importlib.import_module(_MODULES["litert"])
    interpreter = litert.Interpreter(
        model_content=model,
        num_threads=1,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=job["keep_all"],
    )
    interpreter.allocate_tensors()
    ins, outs = interpreter.get_input_details(), interpreter.get_output_details()
    names = [str(d["name"]) for d in ins]
    kept = _written_tensors(model) if job["keep_all"] else []
    results: Tensors = {}
    for sample in range(job["samples"]):
        if job["reset_state"]:
            interpreter.reset_all_variables()
        for details, name, array in zip(ins, names, _sample_arrays(inputs, sample, names), strict=True):
            interpreter.set_tensor(details["index"], _fitted(array, details, name))
        interpreter.invoke()
        for position, details in enumerate(outs):
            results[f"{sample}/o/{position}"] = interpreter.get_tensor(details["index"])
        for index in kept:
            try:
                results[f"{sample}/t/{index}"] = interpreter.get_tensor(index)
            except ValueError:  # a temporary of the operator that holds no data
                continue
    tensor_names = {
        int(d["index"]): str(d["name"]) for d in interpreter.get_tensor_details() if int(d["index"]) in kept
    }
    return results, {
        "input_names": names,
        "output_names": [str(d["name"]) for d in outs],
        "tensor_names": tensor_names,
    }


def run_tflm(model: bytes, inputs: Mapping[str, np.ndarray], job: Mapping[str, Any]) -> tuple[Tensors, Any]:
    """All samples of a job through tflite-micro; also what its recording allocator says about the arena."""
    tflm = importlib.import_module(_MODULES["tflm"])
    graph = _schema_subgraph(model)
    names = [graph.Tensors(graph.Inputs(k)).Name().decode() for k in range(graph.InputsLength())]
    outputs = [graph.Tensors(graph.Outputs(k)).Name().decode() for k in range(graph.OutputsLength())]
    interpreter = tflm.Interpreter.from_bytes(model, arena_size=max(TFLM_ARENA_BYTES, 10 * len(model)))
    details = [interpreter.get_input_details(k) for k in range(len(names))]
    results: Tensors = {}
    for sample in range(max(job["samples"], 1)):
        if job["samples"]:
            arrays = _sample_arrays(inputs, sample, names)
        else:  # the arena alone is wanted; tflite-micro records it in a run
            arrays = [np.zeros([int(n) for n in d["shape"]], d["dtype"]) for d in details]
        if job["reset_state"] and sample:
            interpreter.reset()
        for position, (array, name) in enumerate(zip(arrays, names, strict=True)):
            interpreter.set_input(_fitted(array, details[position], name), position)
        interpreter.invoke()
        for position in range(len(outputs) if job["samples"] else 0):
            results[f"{sample}/o/{position}"] = interpreter.get_output(position)
    text = _stderr_of(interpreter.print_allocations)
    arena = {k: int(n) for k, n in re.findall(r"Arena allocation (total|head|tail) (\d+) bytes", text)}
    return results, {"input_names": names, "output_names": outputs, "tensor_names": {}, "arena": arena}


def _stderr_of(call: Callable[[], object]) -> str:
    """What native code writes to file descriptor 2 during ``call``."""
    saved = os.dup(2)
    with tempfile.TemporaryFile() as capture:
        os.dup2(capture.fileno(), 2)
        try:
            call()
        finally:
            os.dup2(saved, 2)
            os.close(saved)
        capture.seek(0)
        return capture.read().decode(errors="replace")


_RUNTIMES = {"litert": run_litert, "tflm": run_tflm}


def _write_json(path: Path, value: object) -> None:
    """Whole or not at all: a job that dies while writing leaves no half a status."""
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(value))
    partial.rename(path)


def _run_job(folder: Path, number: int, job: Mapping[str, Any]) -> None:
    """Runs in the fork; leaves the job's status and tensors."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    try:
        model = (folder / job["model"]).read_bytes()
        with np.load(folder / job["inputs"], allow_pickle=False) as archive:
            inputs = {key: archive[key] for key in archive.files}
        results, info = _RUNTIMES[job["runtime"]](model, inputs, job)
        with (folder / f"{number}.npz").open("wb") as file:
            np.savez(file, allow_pickle=False, **results)
        status: dict[str, object] = {"status": "ok", **info}
    except _InputError as refusal:
        status = {"status": "error", "kind": "input", "message": str(refusal)}
    except Exception as error:  # whatever the runtime raises is its answer
        last = traceback.format_exception_only(error)[-1].strip()
        status = {"status": "error", "kind": "refused", "message": last}
    _write_json(folder / f"{number}.json", status)


def _supervise(folder: Path, number: int, pid: int, deadline_s: float) -> None:
    """Waits for a job; where it left no status, writes down how it ended."""
    end = time.monotonic() + deadline_s
    pause = 0.0005
    status: int | None = None
    while status is None and time.monotonic() < end:
        done, code = os.waitpid(pid, os.WNOHANG)
        if done:
            status = code
        else:
            time.sleep(pause)
            pause = min(pause * 1.5, 0.02)
    path = folder / f"{number}.json"
    if status is None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        path.unlink(missing_ok=True)
        _write_json(path, {"status": "error", "kind": "deadline", "message": f"no result in {deadline_s:g} s"})
    elif os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        path.unlink(missing_ok=True)
        _write_json(path, {"status": "error", "kind": "crash", "message": f"the process died with {name}"})
    elif not path.exists():
        code = os.WEXITSTATUS(status)
        _write_json(
            path, {"status": "error", "kind": "crash", "message": f"the process ended early with status {code}"}
        )


def main(folder: Path) -> int:
    """Runs all jobs of ``folder`` one after the other."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    jobs = json.loads((folder / "jobs.json").read_text())
    for name in [_SCHEMA, *(_MODULES[job["runtime"]] for job in jobs)]:
        importlib.import_module(name)  # here, so that the forks share it
    for number, job in enumerate(jobs):
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                with (folder / f"{number}.log").open("wb") as log:
                    os.dup2(log.fileno(), 1)
                    os.dup2(log.fileno(), 2)
                    _run_job(folder, number, job)
                code = 0
            finally:
                os._exit(code)  # no clean-up of an interpreter whose heap may be broken
        _supervise(folder, number, pid, job["deadline_s"])
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
