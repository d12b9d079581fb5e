"""Sizes on the command line: ``64K``, ``320KiB``, ``1M``, ``49728``."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(?P<number>\d+(?:[_,]\d{3})*(?:\.\d+)?)\s*(?P<unit>[KMG]?)(?:i?B)?", re.IGNORECASE)
_FACTOR = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


def parse_size(text: str) -> int:
    """Bytes of a size; K, M and G are powers of 1024, with or without ``B`` or ``iB``.

    Raises:
        ValueError: the text is no size, is not positive, or is no whole number of bytes.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size; write bytes or a unit, as in 49728, 64K, 320KiB, 1M")
    digits = match["number"].replace("_", "").replace(",", "")
    value = float(digits) * _FACTOR[match["unit"].upper()]
    if value != int(value):
        raise ValueError(f"{text!r} is {value:g} bytes, which is no whole number")
    if value < 1:
        raise ValueError("a size must be at least 1 byte")
    return int(digits) if not match["unit"] and "." not in digits else int(value)


def format_size(count: int) -> str:
    """Bytes with thousands separators, as reports write them: ``49,728 B``."""
    return f"{count:,} B"


def human_size(count: int) -> str:
    """A memory size in the unit in which data sheets give it: ``128 KiB``, ``4 MiB``."""
    for factor, unit in ((1024**2, "MiB"), (1024, "KiB")):
        if count >= factor:
            value = count / factor
            return f"{value:.0f} {unit}" if value == int(value) else f"{value:.1f} {unit}"
    return f"{count} B"
