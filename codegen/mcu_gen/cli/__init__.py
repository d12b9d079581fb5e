"""The command line: one file per verb, thin over :mod:`mcu_gen.api`."""

# Importing a verb registers it, in the order of the help page.
from mcu_gen.cli import demo, doctor, boards, ops  # isort: skip
from mcu_gen.cli import analyze, quantize, plan, generate, build  # isort: skip
from mcu_gen.cli import flash, run, validate, profile, train  # isort: skip
from mcu_gen.cli import report  # isort: skip
from mcu_gen.cli.app import main

__all__ = [
    "analyze",
    "boards",
    "build",
    "demo",
    "doctor",
    "flash",
    "generate",
    "main",
    "ops",
    "plan",
    "profile",
    "quantize",
    "report",
    "run",
    "train",
    "validate",
]
