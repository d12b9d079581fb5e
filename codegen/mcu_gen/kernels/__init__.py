"""The kernels, one file per operator family; importing this package registers all of them."""

import importlib
import pkgutil

from mcu_gen.kernels.contract import (
    Array,
    Call,
    CFloat,
    In,
    InputList,
    Kernel,
    Out,
    OutputList,
    Scratch,
    Tiling,
    Value,
    kernel,
    kernels,
    select,
)

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = [
    "Array",
    "CFloat",
    "Call",
    "In",
    "InputList",
    "Kernel",
    "Out",
    "OutputList",
    "Scratch",
    "Tiling",
    "Value",
    "kernel",
    "kernels",
    "select",
]
