"""What the importer needs to know of the TFLite schema: enumerations and the options of operators.

The generated module of ``ai-edge-litert`` is the source.  It is loaded from its file, past the package's
``__init__``, which would load LiteRT's native library into the process.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import struct
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mcu_gen.errors import ModelFileError, ToolMissingError
from mcu_gen.frontends.tflite.flatbuffer import Table

#: Options tables that are not called as their operator is.
_SHARED_OPTIONS = {
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "L2_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "L2_NORMALIZATION": "L2NormOptions",
    "SVDF": "SVDFOptions",
    "RNN": "RNNOptions",
    "LSTM": "LSTMOptions",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    **dict.fromkeys(
        ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_ANY", "REDUCE_ALL"), "ReducerOptions"
    ),
}

#: Enumeration of the options fields that hold one: {field: class in the schema}.
_ENUM_FIELDS = {
    "padding": "Padding",
    "fused_activation_function": "ActivationFunctionType",
    "weights_format": "FullyConnectedOptionsWeightsFormat",
    "quantized_bias_type": "TensorType",
    "in_data_type": "TensorType",
    "out_data_type": "TensorType",
    "out_type": "TensorType",
    "output_type": "TensorType",
}


@functools.cache
def module() -> ModuleType:
    """The generated schema, with its object API.

    Raises:
        ToolMissingError: ``ai-edge-litert`` is not installed.
    """
    package = importlib.util.find_spec("ai_edge_litert")  # finds a package without running it
    folders: list[str] = list(package.submodule_search_locations or []) if package is not None else []
    paths = [p for p in (Path(folder) / "schema_py_generated.py" for folder in folders) if p.is_file()]
    spec = importlib.util.spec_from_file_location("mcu_gen._tflite_schema", paths[0]) if paths else None
    if spec is None or spec.loader is None:
        raise ToolMissingError(
            "the TFLite schema (Python package ai-edge-litert) is not installed", hints=["pip install ai-edge-litert"]
        )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def enum_names(enum: str) -> dict[int, str]:
    """``{value: NAME}`` of an enumeration of the schema."""
    return {v: k for k, v in vars(getattr(module(), enum)).items() if isinstance(v, int)}


def builtin_name(code: int) -> str:
    """Name of a builtin operator, ``CONV_2D``; unknown codes (a newer schema) are named by number."""
    return enum_names("BuiltinOperator").get(code, f"BUILTIN_{code}")


def type_name(code: int) -> str:
    """Name of an element type in lower case, ``int8``."""
    return enum_names("TensorType").get(code, f"type_{code}").lower()


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def options_class(builtin: str) -> tuple[int, Any] | None:
    """``(union type, class of the object API)`` of an operator's options, or None when it has none."""
    name = _SHARED_OPTIONS.get(builtin) or builtin.replace("_", " ").title().replace(" ", "") + "Options"
    name = name.replace("Padv2", "PadV2")
    kind = getattr(module().BuiltinOptions, name, 0)
    return (kind, getattr(module(), name + "T")) if kind else None


def options(builtin: str, kind: int, table: Table | None) -> dict[str, Any]:
    """The options of an operator: fields in snake case, enumerations as lower-case strings.

    An operator without its options table gets zeros in every field, as in LiteRT.

    Raises:
        ModelFileError: the table is another operator's or is damaged, or an enumeration has an unknown value.
    """
    fields = options_class(builtin)
    if fields is None:
        return {}
    expected, cls = fields
    if table is None:
        raw = {k: None if v is None else type(v)() for k, v in vars(cls()).items()}
    elif kind != expected:
        found = enum_names("BuiltinOptions").get(kind, str(kind))
        raise ModelFileError(f"the options are {found} instead of {enum_names('BuiltinOptions')[expected]}")
    else:
        try:
            raw = vars(cls.InitFromBuf(table.reader.data, table.at))
        except (struct.error, ValueError, TypeError, IndexError, OverflowError) as error:
            raise table.reader.bad(f"the options cannot be read ({error})") from None
    out: dict[str, Any] = {}
    for key, value in raw.items():
        name = _snake(key)
        if name in _ENUM_FIELDS:
            names = enum_names(_ENUM_FIELDS[name])
            if value not in names:
                raise ModelFileError(f"option {name} is {value}; known values are 0 to {max(names)}")
            value = names[value].lower()
        elif isinstance(value, (list, np.ndarray)):
            value = [int(v) for v in value]
        out[name] = value
    return out
