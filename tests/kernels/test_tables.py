"""No kernel of an instruction set is left out of the tables of tails that run on its core.

The kernels of plain C run on every core through the quick cases (tests/ops/test_emulated.py, which fails when one is
never executed).
"""

from __future__ import annotations

from collections.abc import Collection

import pytest

from kernels import test_blocks, test_dsp, test_mve, test_rows
from mcu_gen.kernels import kernels

#: Feature that kernels ask for -> the kernels whose table, which runs on the core, holds every tail and random shapes.
TABLES: dict[str, Collection[str]] = {
    "dsp": test_dsp.NAMES,
    "mve": [k.name for k in test_mve.MVE],
    "rvv": test_blocks.EXPECTED,
}


@pytest.mark.parametrize("feature", sorted({f for k in kernels() for f in k.features}))
def test_every_kernel_of_an_instruction_set_has_a_table(feature: str) -> None:
    named = {k.name for k in kernels() if feature in k.features}
    assert feature in TABLES, f"no table of tails for kernels with {feature}: {sorted(named)}"
    assert named <= set(TABLES[feature]), f"not in the table: {sorted(named - set(TABLES[feature]))}"


def test_kernels_over_rows_are_in_the_table_of_rows() -> None:
    assert {k.name for k in kernels() if "rows" in k.definitions} == test_rows.NAMES
