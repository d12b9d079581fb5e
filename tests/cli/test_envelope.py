"""`--json` on every verb: exactly one document on stdout with the keys of the contract, also when the verb fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import mcu_gen
from mcu_gen.cli.app import verbs

from .conftest import BOARD, DATA, DIGITS, MODEL, Cli, Ran

#: verb -> (arguments that succeed, keys that `data` must carry).  {p} is a generated project, {t} an empty folder.
SUCCESS: dict[str, tuple[list[str], set[str]]] = {
    "doctor": ([], {"checks"}),
    "boards": ([], {"boards"}),
    "ops": ([], {"ops"}),
    "analyze": ([str(MODEL)], {"macs", "weight_bytes", "activation_peak_bytes", "layers", "fits"}),
    "quantize": (
        [str(DIGITS / "digits_float.tflite"), "--calib", "{s}", "-o", "{t}/q.tflite"],
        {"sqnr_db", "top1_agreement", "layers"},
    ),
    "plan": (
        [str(MODEL), "--board", BOARD],
        {"arena_bytes", "ram_bytes", "flash_bytes", "macs", "macs_overhead_pct", "fusion", "tensors"},
    ),
    "generate": ([str(MODEL), "--board", BOARD, "-o", "{t}/p"], {"dir", "files", "plan"}),
    "build": (["{p}"], {"elf", "text", "rodata", "data", "bss", "arena_bytes", "stack_bytes"}),
    "run": (
        ["{p}", "--on", "host", "--input", "{s}", "-o", "{t}/y.npy"],
        {"outputs", "samples", "instructions_per_sample"},
    ),
    "validate": (
        [str(MODEL), "--board", BOARD, "--on", "host", "--samples", "3"],
        {"samples", "elements", "mismatches", "max_abs_diff", "first_mismatch"},
    ),
    "profile": (["{p}", "--on", "qemu"], {"layers", "total"}),
    "train": (
        ["{l}", "--on", "host", "--data", "{s}", "--steps", "5", "--lr", "0.01"],
        {"steps", "loss", "accuracy_before", "accuracy_after"},
    ),
    "report": (["{p}", "-o", "{t}/report.html"], {"file"}),
    "demo": (["--on", "host", "-o", "{t}/demo"], {"steps"}),
}

#: verb -> arguments that fail with a usage error.
FAILURE: dict[str, list[str]] = {
    "doctor": ["--nope"],
    "boards": ["no_such_board"],
    "ops": ["--board", "no_such_board"],
    "analyze": ["no_such_file.tflite"],
    "quantize": [str(MODEL)],
    "plan": [str(MODEL), "--board", BOARD, "--max-ram", "lots"],
    "generate": [str(MODEL), "--board", "no_such_board", "-o", "{t}/p"],
    "build": ["{t}"],
    "flash": ["{p}"],
    "run": ["{p}", "--on", "host", "--input", "no_such_file.npy"],
    "validate": [str(MODEL), "--board", BOARD, "--samples", "0"],
    "profile": ["{p}", "--on", "host"],
    "train": ["{p}", "--on", "host", "--data", "{s}", "--steps", "5", "--lr", "0.01"],
    "report": ["{p}", "-o", "{t}/r.html", "--model", str(DIGITS / "digits_float.tflite")],
    "demo": ["--on", "the moon"],
}

_QEMU = {"build", "profile"}


def _fill(args: list[str], project: Path, folder: Path, samples: Path) -> list[str]:
    return [a.replace("{p}", str(project)).replace("{t}", str(folder)).replace("{s}", str(samples)) for a in args]


def _envelope(ran: Ran, verb: str, status: str) -> dict[str, Any]:
    document = ran.document
    assert set(document) == {"tool", "version", "schema", "command", "status", "data", "error"}
    assert document["tool"] == "mcu-gen"
    assert document["version"] == mcu_gen.__version__
    assert document["schema"] == 1
    assert document["command"] == verb
    assert document["status"] == status
    assert isinstance(document["data"], dict)
    return document


def test_every_verb_is_in_the_tables() -> None:
    assert set(FAILURE) == set(verbs())
    assert set(SUCCESS) == set(verbs()) - {"flash"}, "flashing needs a board on a cable"


@pytest.mark.parametrize(
    "verb", [pytest.param(v, marks=pytest.mark.qemu) if v in _QEMU else v for v in sorted(SUCCESS)]
)
def test_success(verb: str, cli: Cli, project: Path, learner: Path, tmp_path: Path, samples: Path) -> None:
    args, keys = SUCCESS[verb]
    args = [a.replace("{l}", str(learner)) for a in args]
    ran = cli(verb, *_fill(args, project, tmp_path, samples), "--json")
    assert ran.code == 0, ran.out + ran.err
    document = _envelope(ran, verb, "ok")
    assert document["error"] is None
    assert keys <= set(document["data"])


@pytest.mark.parametrize("verb", sorted(FAILURE))
def test_failure(verb: str, cli: Cli, project: Path, tmp_path: Path, samples: Path) -> None:
    ran = cli(verb, *_fill(FAILURE[verb], project, tmp_path, samples), "--json")
    assert ran.code == 2
    error = _envelope(ran, verb, "error")["error"]
    assert {"code", "message", "hints"} <= set(error)
    assert error["message"]
    assert isinstance(error["hints"], list)
    assert "Traceback" not in ran.out + ran.err


@pytest.mark.parametrize("verb", sorted(FAILURE))
def test_failure_without_json_leaves_stdout_empty(
    verb: str, cli: Cli, project: Path, tmp_path: Path, samples: Path
) -> None:
    ran = cli(verb, *_fill(FAILURE[verb], project, tmp_path, samples))
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("error:")


@pytest.mark.parametrize("verb", sorted(verbs()))
def test_help_names_the_options_that_every_verb_has(verb: str, cli: Cli) -> None:
    ran = cli(verb, "--help")
    assert ran.code == 0
    for option in ("--json", "--quiet", "--verbose", "--help"):
        assert option in ran.out


def test_element_keys_of_the_contract(cli: Cli, project: Path) -> None:
    boards = cli("boards", "--json").data["boards"]
    assert all({"name", "mcu", "cpu", "ram", "flash", "fp16", "emulators"} <= set(b) for b in boards)
    ops = cli("ops", "--json").data["ops"]
    assert all({"name", "dtypes", "constraints", "trainable"} <= set(o) for o in ops)
    assert cli("ops", "--train", "--json").data["ops"] == [o for o in ops if o["trainable"]] != []
    checks = cli("doctor", "--json").data["checks"]
    assert all({"name", "found", "needed_for", "hint"} <= set(c) for c in checks)
    tensors = cli("plan", MODEL, "--board", BOARD, "--json").data["tensors"]
    assert all({"name", "offset", "bytes", "first", "last"} <= set(t) for t in tensors)


def test_generate_carries_the_plan_of_the_verb_plan(cli: Cli, tmp_path: Path) -> None:
    plan = cli("plan", MODEL, "--board", BOARD, "--json").data
    generated = cli("generate", MODEL, "--board", BOARD, "-o", tmp_path / "p", "--json").data
    assert generated["plan"] == plan
    recorded = json.loads((tmp_path / "p" / "mcu-gen.json").read_text())
    assert recorded["plan"] == plan
    assert set(generated["files"]) == {
        str(f.relative_to(tmp_path / "p")) for f in (tmp_path / "p").rglob("*") if f.is_file()
    }


def test_run_finds_labels_in_the_data(cli: Cli, project: Path) -> None:
    data = cli("run", project, "--input", DATA, "--json").data
    assert data["samples"] == 450
    assert data["accuracy"] > 0.97
    assert len(data["outputs"][0]["values"]) == 450
