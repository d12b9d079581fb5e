"""The bench gate: what grows by more than 2 % fails; a small set is measured here against the committed baseline."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bench.autoencoder import MACS
from bench.bench import BOARDS, HERE, MODELS, OWN, ROOT, baseline, compiler, measure, model_macs, models
from bench.gate import FIGURES, compare, key
from mcu_gen.targets import load_target

#: What is measured in every run of the tests; `make bench` measures everything.
SMALL = ("mps2_an386", "rv32_virt")
DIGITS = ROOT / "examples" / "digits" / "digits_int8.tflite"

ROW: dict[str, Any] = {
    "model": "m", "board": "b", "compiler": "gcc 12.2.1", "instructions": 100_000, "flash": 10_000, "arena": 5000,
    "stack": 1000,
}  # fmt: skip


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize(("factor", "failed"), [(0.5, False), (1.0, None), (1.02, False), (1.021, True), (2.0, True)])
def test_growth_beyond_two_percent_fails(figure: str, factor: float, failed: bool | None) -> None:
    findings = compare([ROW | {figure: round(ROW[figure] * factor)}], [ROW])
    assert [f.failed for f in findings] == ([] if failed is None else [failed])
    assert all(figure in f.text and "m on b" in f.text for f in findings)


def test_a_few_bytes_of_stack_are_no_regression() -> None:
    assert not compare([ROW | {"stack": 116}], [ROW | {"stack": 100}])[0].failed
    assert compare([ROW | {"stack": 117}], [ROW | {"stack": 100}])[0].failed


@pytest.mark.parametrize("change", [{"board": "other"}, {"model": "other"}, {"compiler": "gcc 13.1.0"}])
def test_what_cannot_be_compared_fails(change: dict[str, Any]) -> None:
    assert [f.failed for f in compare([ROW | change], [ROW])] == [True]


def test_the_baseline_holds_every_model_on_every_core() -> None:
    rows = baseline()
    assert {key(row) for row in rows} == {(m, b) for m in (*MODELS, *OWN) for b in BOARDS}
    assert all(isinstance(row[name], int) and row[name] > 0 for row in rows for name in (*FIGURES, "macs"))
    peers = json.loads((HERE / "peers.json").read_text("utf-8"))
    assert set(peers["models"]) <= {*MODELS, *OWN}
    assert set(peers["floors"]) <= {row["cpu"] for row in rows}


def test_the_autoencoder_has_the_macs_of_ad01(tmp_path: Path) -> None:
    assert model_macs(models(["ad01_shape_int8"], tmp_path)["ad01_shape_int8"]) == MACS == 264_192


@pytest.mark.shared
def test_macs_are_those_of_the_model_file(shared: Path) -> None:
    assert model_macs(shared / "models" / "mobilenet_vww_int8.tflite") == 7_489_664


@pytest.mark.qemu
@pytest.mark.parametrize("board", SMALL)
def test_nothing_grew(board: str) -> None:
    target = load_target(board)
    kind = target.settings["toolchains"]["order"][0]
    if shutil.which(target.settings["toolchains"][kind]["prefix"] + "gcc") is None:
        pytest.skip(f"SKIPPED: the compiler of {board} is not installed")
    committed = {key(row): row for row in baseline()}["digits_int8", board]
    if compiler(target, kind) != committed["compiler"]:
        pytest.skip(f"SKIPPED: {compiler(target, kind)} here, the baseline is of {committed['compiler']}")
    findings = compare([asdict(measure("digits_int8", DIGITS, board))], [committed])
    assert not [f.text for f in findings if f.failed], "if this is meant: bench.py --write, and commit bench.json"
