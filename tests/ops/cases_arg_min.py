"""ARG_MIN: axes, ties, types of inputs and indices."""

from __future__ import annotations

from support.arguments import argument_cases

CASES = argument_cases("ARG_MIN")
