"""Every operator, three ways: the NumPy executor = LiteRT ``BUILTIN_REF`` = the generated C (ASan, UBSan).

The tables are data: ``cases_<operator>.py`` beside this file, each with a list ``CASES``.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from support.three_way import Case, run_three_ways

TABLES = sorted(p.stem for p in Path(__file__).parent.glob("cases_*.py"))


def table(name: str) -> list[Case]:
    return list(importlib.import_module(f"ops.{name}").CASES)


@pytest.mark.parametrize("name", TABLES)
def test_three_ways_agree(name: str, tmp_path: Path) -> None:
    failures = run_three_ways(table(name), tmp_path)
    assert not failures, "\n".join(f"{case}: {text}" for case, text in failures.items())
