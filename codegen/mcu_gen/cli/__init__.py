"""The command line: one file per verb, thin over :mod:`mcu_gen.api`."""

from mcu_gen.cli import (  # noqa: F401  (importing a verb registers it, in the order of the help page)
    doctor,
    boards,
    ops,
)
from mcu_gen.cli.app import main

__all__ = ["main"]
