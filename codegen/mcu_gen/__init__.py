"""mcu-gen: from a trained .tflite network to C99 firmware that computes the same bits.

    import mcu_gen

    model = mcu_gen.load("model.tflite")
    plan = mcu_gen.plan(model, "mps2_an386", max_ram=64 * 1024)
    mcu_gen.generate(model, "mps2_an386", "out")
    mcu_gen.build("out")
    outputs = mcu_gen.run("out", x, on="qemu").outputs

The functions live in :mod:`mcu_gen.api` and are loaded when they are first used.
"""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

from mcu_gen.version import __version__ as __version__

if TYPE_CHECKING:
    from mcu_gen.api import analyze as analyze
    from mcu_gen.api import generate as generate
    from mcu_gen.api import load as load
    from mcu_gen.api import profile as profile
    from mcu_gen.api import validate as validate

_FUNCTIONS = ("analyze", "build", "generate", "load", "plan", "profile", "quantize", "run", "train", "validate")

__all__ = ["__version__", "analyze", "generate", "load", "profile", "validate"]


class _Package(types.ModuleType):
    """Lets ``mcu_gen.plan`` be the function although there is a sub-package of that name.

    Importing a sub-package binds it as an attribute of its parent; for the names of API functions that is left out.
    ``from mcu_gen.plan.types import Plan`` and ``import mcu_gen.plan.types`` work as ever.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FUNCTIONS and isinstance(value, types.ModuleType):
            return
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name in _FUNCTIONS:
            from mcu_gen import api

            return getattr(api, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


sys.modules[__name__].__class__ = _Package
