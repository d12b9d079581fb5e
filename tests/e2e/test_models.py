"""Whole models: the generated C computes the bits of LiteRT's reference kernels, on the host and on emulated cores."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mcu_gen import api
from mcu_gen.errors import UnsupportedModelError

INT8 = ("hello_world_int8", "dscnn_kws_int8", "resnet8_int8", "mobilenet_vww_int8", "mcunet_vww1_int8")
FLOAT = ("hello_world_float", "resnet8_float")
BOARDS = ("mps2_an386", "mps2_an500", "mps2_an505", "mps3_an547", "rv32_virt")


def _check(model: Path, board: str, on: str, samples: int) -> None:
    found = api.validate(model, board, api.Check(on=on, samples=samples))
    assert found["samples"] == samples
    assert found["mismatches"] == 0, found["first_mismatch"]


def test_digits_on_the_host(digits: Path) -> None:
    _check(digits, "mps2_an386", "host", 20)


@pytest.mark.qemu
@pytest.mark.parametrize("board", BOARDS)
def test_digits_on_every_emulated_core(digits: Path, board: str) -> None:
    _check(digits, board, "qemu", 3)


@pytest.mark.shared
@pytest.mark.parametrize("model", INT8 + FLOAT)
def test_shared_models_on_the_host(model: str, shared: Path) -> None:
    _check(shared / "models" / f"{model}.tflite", "mps2_an386", "host", 3)


@pytest.mark.shared
@pytest.mark.qemu
@pytest.mark.parametrize("model", INT8 + FLOAT)
def test_shared_models_on_an_emulated_cortex_m4(model: str, shared: Path) -> None:
    _check(shared / "models" / f"{model}.tflite", "mps2_an386", "qemu", 2)


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.qemu
@pytest.mark.parametrize("board", BOARDS[1:])
@pytest.mark.parametrize("model", INT8)
def test_shared_models_on_the_other_cores(model: str, board: str, shared: Path) -> None:
    _check(shared / "models" / f"{model}.tflite", board, "qemu", 2)


@pytest.mark.shared
def test_hybrid_models_are_refused_with_the_way_out(shared: Path) -> None:
    with pytest.raises(UnsupportedModelError) as refused:
        api.load(shared / "models" / "dscnn_kws_float.tflite")
    assert len(refused.value.reasons) == 5
    assert any("quantize" in hint for hint in refused.value.hints)


def test_reading_and_generating_need_no_tensorflow(digits: Path, tmp_path: Path) -> None:
    """A fresh interpreter that loads, plans and generates has imported neither TensorFlow nor LiteRT."""
    code = (
        "import sys; from mcu_gen import api; api.generate(sys.argv[1], 'mps2_an386', sys.argv[2]);"
        "heavy = ('tensorflow', 'keras');"
        "bad = [m for m in sys.modules if m.split('.')[0] in heavy or m == 'ai_edge_litert.interpreter'];"
        "sys.exit(','.join(bad) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(digits), str(tmp_path / "p")], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
