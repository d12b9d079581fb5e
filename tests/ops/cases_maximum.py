"""MAXIMUM: broadcasts, constants, every pair of int8 codes, NaN."""

from __future__ import annotations

from support.comparison import extremum_cases

CASES = extremum_cases("MAXIMUM")
