"""A reader of FlatBuffers that trusts nothing.

Every access is checked against the length of the file, and the work is bounded by a budget, so that no file, however
malformed, makes the reader fail in another way than :class:`~mcu_gen.errors.ModelFileError`, run long or allocate
much.  The rules are those of FlatBuffers' own verifier (``verifier.h``: bounds, alignment, number of
tables), which the Python package lacks.  Binary format: https://flatbuffers.dev/internals/.
"""

from __future__ import annotations

import struct

import numpy as np

from mcu_gen.errors import ModelFileError

#: Limits of one file, far above any network for a microcontroller.
MAX_TABLES = 200_000
MAX_STRING = 4096


class Reader:
    """The bytes of a file and what is left of the budget."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.tables_left = MAX_TABLES
        # Vectors may be shared: reading the same megabyte from 100,000 tables must not take forever.
        self.bytes_left = 16 * len(data) + (1 << 20)

    def bad(self, what: str) -> ModelFileError:
        return ModelFileError(
            f"the file is damaged: {what}",
            hints=["fetch or convert the model again; it may have been cut off or changed"],
        )

    def scalar(self, code: str, at: int, what: str) -> int:
        """The little-endian number at ``at`` (``struct`` format character ``code``)."""
        size = struct.calcsize("<" + code)
        if at < 0 or at + size > len(self.data):
            raise self.bad(f"{what} lies at byte {at}, the file has {len(self.data)} bytes")
        if at % size:
            raise self.bad(f"{what} at byte {at} is not aligned to {size} bytes")
        return int(struct.unpack_from("<" + code, self.data, at)[0])

    def root(self) -> Table:
        return Table(self, self.scalar("I", 0, "the root"), "model")

    def spend(self, size: int, what: str) -> None:
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise self.bad(f"{what}: the same data are referred to far too often")


class Table:
    """A table of the file; fields are read by slot (their position in the schema), absent ones give the default."""

    def __init__(self, reader: Reader, at: int, what: str) -> None:
        self.reader, self.at, self.what = reader, at, what
        reader.tables_left -= 1
        if reader.tables_left < 0:
            raise reader.bad(f"more than {MAX_TABLES} tables")
        self._vtable = at - reader.scalar("i", at, what)
        self._vtable_size = reader.scalar("H", self._vtable, f"vtable of {what}")
        if self._vtable_size % 2 or self._vtable_size < 4 or self._vtable + self._vtable_size > len(reader.data):
            raise reader.bad(f"the vtable of {what} has {self._vtable_size} bytes")

    def position(self, slot: int) -> int:
        """Position of a field in the file; 0 when the table does not hold it."""
        entry = 4 + 2 * slot
        if entry + 2 > self._vtable_size:
            return 0
        offset = self.reader.scalar("H", self._vtable + entry, f"vtable of {self.what}")
        return self.at + offset if offset else 0

    def number(self, slot: int, code: str, default: int = 0) -> int:
        """An integer field; ``code`` is the ``struct`` format character of its type."""
        at = self.position(slot)
        return self.reader.scalar(code, at, f"field {slot} of {self.what}") if at else default

    def _target(self, slot: int) -> int:
        at = self.position(slot)
        if not at:
            return 0
        offset = self.reader.scalar("I", at, f"field {slot} of {self.what}")
        target = at + offset
        if not offset or target + 4 > len(self.reader.data):
            raise self.reader.bad(f"field {slot} of {self.what} points to byte {target}")
        return target

    def has(self, slot: int) -> bool:
        return self.position(slot) != 0

    def table(self, slot: int, what: str) -> Table | None:
        target = self._target(slot)
        return Table(self.reader, target, what) if target else None

    def _vector(self, slot: int, size: int) -> tuple[int, int]:
        """``(position of element 0, elements)`` of a vector whose elements have ``size`` bytes."""
        target = self._target(slot)
        if not target:
            return 0, 0
        what = f"vector {slot} of {self.what}"
        count = self.reader.scalar("I", target, what)
        if target + 4 + count * size > len(self.reader.data):
            raise self.reader.bad(f"{what} has {count} elements, more than the file holds")
        self.reader.spend(count * size, what)
        return target + 4, count

    def numbers(self, slot: int, dtype: str) -> np.ndarray | None:
        """A vector of numbers as an array that shares the file's memory (read only); None when absent."""
        kind = np.dtype(dtype).newbyteorder("<")
        at, count = self._vector(slot, kind.itemsize)
        return np.frombuffer(self.reader.data, kind, count, at) if at else None

    def block(self, slot: int) -> memoryview:
        """A vector of bytes, empty when absent; shares the file's memory."""
        at, count = self._vector(slot, 1)
        return memoryview(self.reader.data)[at : at + count]

    def string(self, slot: int) -> str:
        """A string field, "" when absent."""
        at, count = self._vector(slot, 1)
        if count > MAX_STRING:
            raise self.reader.bad(f"string {slot} of {self.what} has {count} bytes, at most {MAX_STRING} are read")
        if at and self.reader.data[at + count : at + count + 1] != b"\0":
            raise self.reader.bad(f"string {slot} of {self.what} does not end with a zero byte")
        try:
            return self.reader.data[at : at + count].decode("utf-8")
        except UnicodeDecodeError:
            raise self.reader.bad(f"string {slot} of {self.what} is not UTF-8") from None

    def tables(self, slot: int, what: str) -> list[Table]:
        """A vector of tables; ``what`` names one of them, its index is appended."""
        at, count = self._vector(slot, 4)
        if count > self.reader.tables_left:
            raise self.reader.bad(f"{count} entries in the list of {what}s")
        read = self.reader.scalar
        return [
            Table(self.reader, entry + read("I", entry, f"{what} {i}"), f"{what} {i}")
            for i in range(count)
            for entry in (at + 4 * i,)
        ]
