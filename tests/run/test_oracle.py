"""The oracles in their child process: results, refusals, crashes and deadlines, each job for itself."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from mcu_gen.errors import DeviceError
from mcu_gen.run import oracle
from mcu_gen.run.oracle import OracleError, OracleJob, OracleResult, run_litert, run_litert_many, run_tflm
from support.elementwise import binary, unary

X = np.arange(-128, 128).astype(np.int8)
RELU = unary("RELU", x_scale=0.05, x_zero_point=3, y_scale=0.05, y_zero_point=3)

needs_tflm = pytest.mark.skipif(oracle.oracle_version("tflm") is None, reason="SKIPPED: tflite-micro is not installed")

FAKE_INTERPRETER = '''
"""Stands in for LiteRT: does what the bytes of the model say."""
import enum, os, signal, sys, time
OpResolverType = enum.Enum("OpResolverType", ["BUILTIN_REF"])
class Interpreter:
    def __init__(self, model_content, **options):
        if model_content == b"crash":
            print("about to crash", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)
        if model_content == b"exit":
            os._exit(0)
        if model_content == b"hang":
            time.sleep(60)
        if model_content == b"greedy":
            bytearray(64 << 30)
    def allocate_tensors(self): pass
    def get_input_details(self): return []
    def get_output_details(self): return []
    def get_tensor_details(self): return []
    def invoke(self): pass
'''


@pytest.fixture
def fake_litert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "ai_edge_litert"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "schema_py_generated.py").write_text("")
    (package / "interpreter.py").write_text(FAKE_INTERPRETER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def kinds(results: list[OracleResult | OracleError]) -> list[str]:
    return [r.kind if isinstance(r, OracleError) else "ok" for r in results]


def test_samples_in_every_form_give_the_same() -> None:
    two = [X, X[::-1]]
    forms = [np.stack(two), np.stack(two)[:, None, :], two, [[x] for x in two], [{"x": x} for x in two]]
    results = [run_litert(RELU, form) for form in forms]
    for result in results:
        assert [len(sample) for sample in result.outputs] == [1, 1]
        np.testing.assert_array_equal(result.outputs[0][0], np.maximum(X, 3))
        np.testing.assert_array_equal(result.outputs[1][0], np.maximum(X[::-1], 3))
    assert results[0].input_names == ["x"]
    assert results[0].output_names == ["y"]


def test_keep_all_gives_what_operators_write() -> None:
    result = run_litert(RELU, [X], keep_all=True)
    assert set(result.names.values()) == {"y"}
    (index,) = result.names
    np.testing.assert_array_equal(result.tensors[0][index], result.outputs[0][0])


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        ([X.astype(np.uint8)], "input 'x' is int8, the sample is uint8"),
        ([X[:5]], r"input 'x' has shape \[256\], the sample has shape \[5\]"),
        ([{"nobody": X}], "lacks input 0 .'x'."),
        ([[X, X]], "has 2 arrays, the model has 1 inputs"),
    ],
)
def test_samples_that_do_not_fit(inputs: list[object], match: str) -> None:
    with pytest.raises(OracleError, match=match) as error:
        run_litert(RELU, inputs)  # type: ignore[arg-type]
    assert error.value.kind == "input"


@pytest.mark.parametrize("model", [b"", b"abc", b"\0" * 64, RELU[:100], RELU[: len(RELU) // 2]])
def test_what_is_no_model_is_refused(model: bytes) -> None:
    results = run_litert_many([OracleJob(model, [X]), OracleJob(RELU, [X])])
    assert kinds(results)[0] in ("refused", "crash")
    assert kinds(results)[1] == "ok"


def test_order_of_many_jobs() -> None:
    jobs = [OracleJob(RELU, [np.full(256, n, np.int8)]) for n in range(40)]
    start = time.monotonic()
    results = run_litert_many(jobs)
    assert time.monotonic() - start < 20
    for n, result in enumerate(results):
        assert isinstance(result, OracleResult)
        assert result.outputs[0][0][0] == max(n, 3)
    assert run_litert_many([]) == []


@pytest.mark.usefixtures("fake_litert")
def test_one_bad_job_costs_no_other() -> None:
    models = [b"fine", b"crash", b"fine", b"hang", b"exit", b"greedy", b"fine"]
    start = time.monotonic()
    results = run_litert_many([OracleJob(m, [[]], deadline_s=1.0) for m in models])
    assert kinds(results) == ["ok", "crash", "ok", "deadline", "crash", "refused", "ok"]
    assert time.monotonic() - start < 15
    crash, hang = results[1], results[3]
    assert isinstance(crash, OracleError)
    assert isinstance(hang, OracleError)
    assert "SIGSEGV" in crash.message
    assert "fault of the oracle" in crash.message
    assert "about to crash" in crash.log
    assert "no result in 1 s" in hang.message
    assert crash.exit_code == 7


def test_child_that_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "ai_edge_litert"
    package.mkdir()
    (package / "__init__.py").write_text("raise OSError('broken installation')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(DeviceError, match="broken installation"):
        run_litert(RELU, [X])


def test_flipped_bytes_give_a_result_or_an_error() -> None:
    """Whatever the native code does with a damaged model, it is an answer here."""
    rng = np.random.default_rng(5)
    model = binary("ADD")
    jobs = []
    for _ in range(150):
        damaged = bytearray(model)
        damaged[int(rng.integers(len(model)))] ^= int(rng.integers(1, 256))
        jobs.append(OracleJob(bytes(damaged), [[np.zeros((3, 40), np.int8)] * 2], deadline_s=20))
    results = run_litert_many(jobs)
    assert len(results) == len(jobs)
    assert {"ok", "refused"} <= set(kinds(results))


@needs_tflm
def test_tflm_agrees_and_tells_its_arena() -> None:
    result = run_tflm(RELU, [X, X[::-1]])
    np.testing.assert_array_equal(result.outputs[1][0], np.maximum(X[::-1], 3))
    assert result.arena["total"] == result.arena["head"] + result.arena["tail"]
    assert oracle.tflm_arena_bytes(RELU) == result.arena["total"]
    assert oracle.tflm_arena_bytes(b"no model") is None


@needs_tflm
@pytest.mark.shared
def test_tflm_arena_of_a_real_model(shared: Path) -> None:
    """Activations of DS-CNN in tflite-micro: two tensors of 25 x 5 x 64."""
    result = run_tflm(shared / "models" / "dscnn_kws_int8.tflite", [np.zeros((1, 49, 10, 1), np.int8)])
    assert result.arena["head"] == 16000
