"""The operator tests can fail: faults that are put into single cases are found, named, and harm no other case."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mcu_gen.graph import Node, operator
from mcu_gen.plan.types import Plan
from ops.cases_average_pool2d import CASES as POOLS
from support import three_way
from support.images import pool
from support.three_way import Case, compare, run_three_ways

_FAULTS = {
    "wrong value": ("(&pool, window, y);", "(&pool, window, y); y[0] ^= 1;"),
    "writes past its output": ("y += p->in_c;", "y[p->in_c * 16] = 0; y += p->in_c;"),
    "undefined behaviour": ("pool.rows = fy1 - fy0;", "pool.rows = fy1 - fy0; y[0] = (int8_t)(1 << (32 + ox));"),
    "compiler warning": ("mg_pool pool =", "int32_t unused = 1; mg_pool pool ="),
}
_SOUND = ("sound first", "sound last")


def _cases() -> list[Case]:
    names = [_SOUND[0], *_FAULTS, _SOUND[1]]
    return [Case(n, partial(pool, "AVERAGE_POOL_2D", x=(1, 4, 4, 3))) for n in names]


def test_faults_in_the_generated_c_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = three_way.network_files
    names = iter([_SOUND[0], *_FAULTS, _SOUND[1]])

    def with_fault(plan: Plan, net: str) -> dict[str, str]:
        files = original(plan, net)
        old, new = _FAULTS.get(next(names), ("", ""))
        path = f"src/{net}_average_pool2d_s8.c"
        assert old in files[path]
        if old:
            files[path] = files[path].replace(old, new)
        return files

    monkeypatch.setattr(three_way, "network_files", with_fault)
    failures = run_three_ways(_cases(), tmp_path)
    assert set(failures) == set(_FAULTS)
    assert "generated C differs" in failures["wrong value"]
    assert "AddressSanitizer" in failures["writes past its output"]
    assert "runtime error" in failures["undefined behaviour"]
    assert "compiler" in failures["compiler warning"]


def test_faults_in_the_executor_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pooling = operator("average_pool2d")
    original = pooling.evaluate

    def one_off(node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        return [y + np.ones_like(y) for y in original(node, inputs)]

    monkeypatch.setattr(pooling, "evaluate", one_off, raising=False)
    failures = run_three_ways(POOLS[:3], tmp_path)
    assert sorted(failures) == sorted(c.name for c in POOLS[:3])
    assert all("executor differs from LiteRT" in text for text in failures.values())


def test_a_model_that_litert_refuses_is_named(tmp_path: Path) -> None:
    good = Case("good", partial(pool, "MAX_POOL_2D", x=(1, 4, 4, 3)))
    bad = Case("bad", lambda: good.build()[:200])
    assert set(run_three_ways([good, bad], tmp_path)) == {"bad"}


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (np.array([1.0, 2.0], np.float32), ""),
        (np.array([1.0, 2.1], np.float32), "distance"),
        (np.array([1.0, np.nan], np.float32), "NaN"),
        (np.array([1.0], np.float32), "instead of"),
        (np.array([1, 2], np.int8), "instead of"),
    ],
)
def test_compare(found: np.ndarray, text: str) -> None:
    difference = compare([[np.array([1.0, 2.0], np.float32)]], [[found]], 1e-3)
    assert text in difference
    assert bool(text) == bool(difference)
