"""Types of the fields of a message: how they look on the wire and in C.

All numbers are little-endian and packed without padding.  A field whose length is not in its type (``bytes``, ``u32s``,
``u64s``) takes the rest of the message and is therefore the last one.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcu_gen.errors import DeviceError


class ProtocolError(DeviceError):
    """The other side sent something that the table of messages does not allow."""

    code = "protocol"


@dataclass(frozen=True)
class Scalar:
    """A number: its ``struct`` format and its C type."""

    format: str
    c_type: str

    @property
    def size(self) -> int:
        return struct.calcsize("<" + self.format)


SCALARS = {
    "u8": Scalar("B", "uint8_t"),
    "u16": Scalar("H", "uint16_t"),
    "u32": Scalar("I", "uint32_t"),
    "u64": Scalar("Q", "uint64_t"),
    "i32": Scalar("i", "int32_t"),
    "f32": Scalar("f", "float"),
}
#: Text of up to 255 bytes of UTF-8 after a byte with its length.
TEXT = "str"
#: Types that take the rest of a message -> type of their elements.
RESTS = {"bytes": "u8", "u32s": "u32", "u64s": "u64"}
TEXT_LIMIT = 255


@dataclass(frozen=True)
class Field:
    """A field of a message: its name, its type (a key of the tables above) and what it means."""

    name: str
    type: str
    doc: str = ""


def pack(fields: Sequence[Field], values: Mapping[str, Any]) -> bytes:
    """The wire form of ``values``.

    Raises:
        ProtocolError: a field is missing, unknown or outside the range of its type.
    """
    names = {field.name for field in fields}
    if names != set(values):
        raise ProtocolError(f"fields {sorted(values)} were given, the message has {sorted(names)}")
    out = bytearray()
    for field in fields:
        value = values[field.name]
        try:
            if field.type == TEXT:
                text = value.encode("utf-8")
                if len(text) > TEXT_LIMIT:
                    raise ProtocolError(f"{len(text)} bytes of text, the limit is {TEXT_LIMIT}", where=field.name)
                out.append(len(text))
                out += text
            elif field.type == "bytes":
                out += value
            elif field.type in RESTS:
                out += struct.pack(f"<{len(value)}{SCALARS[RESTS[field.type]].format}", *value)
            else:
                out += struct.pack("<" + SCALARS[field.type].format, value)
        except struct.error as error:
            raise ProtocolError(f"{value!r} is not a {field.type}: {error}", where=field.name) from None
    return bytes(out)


def unpack(fields: Sequence[Field], data: bytes) -> dict[str, Any]:
    """The values in the wire form ``data``.

    Raises:
        ProtocolError: ``data`` is too short or too long, or text in it is not UTF-8.
    """
    values: dict[str, Any] = {}
    at = 0
    for field in fields:
        if field.type in RESTS:
            element = SCALARS[RESTS[field.type]]
            count, left = divmod(len(data) - at, element.size)
            if left:
                raise ProtocolError(f"{len(data) - at} bytes are no whole number of {field.type}", where=field.name)
            rest = data[at:]
            values[field.name] = (
                rest if field.type == "bytes" else list(struct.unpack(f"<{count}{element.format}", rest))
            )
            at = len(data)
            continue
        if field.type == TEXT:
            size = 1 + (data[at] if at < len(data) else 0)
        else:
            size = SCALARS[field.type].size
        part = data[at : at + size]
        if len(part) != size:
            raise ProtocolError(f"the message ends after {len(data)} bytes, inside this field", where=field.name)
        if field.type == TEXT:
            try:
                values[field.name] = part[1:].decode("utf-8")
            except UnicodeDecodeError:
                raise ProtocolError(f"{part[1:]!r} is not UTF-8", where=field.name) from None
        else:
            (values[field.name],) = struct.unpack("<" + SCALARS[field.type].format, part)
        at += size
    if at != len(data):
        raise ProtocolError(f"{len(data) - at} bytes too many in a message of {len(data)}")
    return values
