"""Constant arrays: each content is written to flash once, under one name."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mcu_gen.graph import DType
from mcu_gen.kernels import Array


@dataclass(frozen=True)
class Constant:
    """An array in flash: its C name, element type and text."""

    name: str
    c_type: str
    length: int
    bytes: int
    rows: tuple[str, ...]


def c_float(value: float) -> str:
    """An exact C99 literal of a float32 (``-0x1.8p+1f``); infinities and NaN become macros of math.h."""
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    if value == 0:
        return "-0.0f" if math.copysign(1.0, value) < 0 else "0.0f"
    return float(value).hex().replace("000000p", "p") + "f"


def _literals(data: np.ndarray) -> Iterator[str]:
    flat = data.reshape(-1)
    if data.dtype == np.float32:
        yield from (c_float(float(v)) for v in flat)
    elif data.dtype == np.float16:
        yield from (f"0x{int(v):04x}" for v in flat.view(np.uint16))
    elif data.dtype == np.int32:
        # the most negative number has no literal of its own type in C
        yield from ("(-2147483647 - 1)" if v == -(1 << 31) else str(int(v)) for v in flat)
    elif data.dtype == np.int64:
        yield from ("(-9223372036854775807 - 1)" if v == -(1 << 63) else f"{int(v)}" for v in flat)
    elif data.dtype == np.uint32:
        yield from (f"{int(v)}u" for v in flat)
    else:
        yield from (str(int(v)) for v in flat)


def _rows(data: np.ndarray, width: int = 116) -> tuple[str, ...]:
    rows: list[str] = []
    row = ""
    for literal in _literals(data):
        piece = literal + ","
        if row and len(row) + 1 + len(piece) > width:
            rows.append(row)
            row = piece
        else:
            row = f"{row} {piece}" if row else piece
    rows.append(row)
    return tuple(rows)


class ConstantPool:
    """Names the arrays of a network; equal content (and element type) is stored once."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._names: dict[tuple[str, bytes], str] = {}
        self._constants: list[Constant] = []

    def name(self, array: Array) -> str:
        """The C name of ``array``'s storage."""
        data = np.ascontiguousarray(array.data)
        if data.dtype == np.bool_:
            data = data.astype(np.uint8)
        key = (data.dtype.str, data.tobytes())
        if key not in self._names:
            name = f"{self._prefix}_c{len(self._constants)}_{array.hint}"
            c_type = f"{data.dtype.name}_t" if data.dtype.kind == "u" else DType.of(data).c_name
            self._names[key] = name
            self._constants.append(Constant(name, c_type, max(data.size, 1), data.nbytes, _rows(data)))
        return self._names[key]

    @property
    def constants(self) -> list[Constant]:
        return list(self._constants)

    @property
    def bytes(self) -> int:
        """Bytes of flash that the arrays take, without alignment gaps."""
        return sum(c.bytes for c in self._constants)
