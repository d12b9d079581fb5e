"""Random models of the convolution family: the executor against LiteRT for many, all three ways for some."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.random_cases import random_cases
from support.three_way import prepare, run_three_ways


def _report(failures: dict[str, str]) -> str:
    return "\n".join(f"{case}: {text}" for case, text in failures.items())


@pytest.mark.parametrize(
    "seed", [11, pytest.param(12, marks=pytest.mark.slow), pytest.param(13, marks=pytest.mark.slow)]
)
def test_executor_computes_what_litert_computes(seed: int, request: pytest.FixtureRequest) -> None:
    soak = request.node.get_closest_marker("slow") is not None
    _, failures = prepare(random_cases(seed, 3000 if soak else 300))
    assert not failures, _report(failures)


def test_three_ways_agree_on_random_models(tmp_path: Path) -> None:
    failures = run_three_ways(random_cases(21, 60), tmp_path)
    assert not failures, _report(failures)
