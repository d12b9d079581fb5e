"""The digits network of examples/: small, real, and always there."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def digits() -> Path:
    return ROOT / "examples" / "digits" / "digits_int8.tflite"
