"""Whole models of the shared folder, three ways on the host: executor, LiteRT, and the generated C with sanitizers."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcu_gen.passes import run_passes
from support.three_way import Case, run_three_ways

pytestmark = pytest.mark.shared

#: Its weights have 8 bits and its activations 32 (dynamic range).
HYBRID = {"dscnn_kws_float"}


def test_models_on_the_host(shared: Path, tmp_path: Path) -> None:
    files = [p for p in sorted((shared / "models").glob("*.tflite")) if p.stem not in HYBRID]
    failures = run_three_ways([Case(p.stem, p.read_bytes) for p in files], tmp_path, run_passes)
    assert not failures, "\n".join(f"{model}: {text}" for model, text in failures.items())
