"""Sizes of a linked firmware, read from its ELF file and checked against the map file."""

from __future__ import annotations

import bisect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from mcu_gen.errors import McuGenError


@dataclass(frozen=True)
class Function:
    """A function symbol: address without the Thumb bit, size in bytes."""

    name: str
    address: int
    size: int


@dataclass(frozen=True)
class Image:
    """What a firmware image holds.

    Attributes:
        sections: allocated sections by name, bytes.
        arena_bytes: size of the arena symbol; 0 when there is none.
        functions: all functions with their sizes.
        pointers: words of initialised data (constants and variables) that are the address of a function.
        tables: the same by the object that holds the word; words outside of every object are under "".
    """

    sections: dict[str, int]
    arena_bytes: int
    functions: tuple[Function, ...]
    pointers: frozenset[int]
    tables: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def size(self, name: str) -> int:
        return self.sections.get(name, 0)


def read_image(path: Path, arena: str | None = None) -> Image:
    """Read an ELF file.

    Args:
        path: the linked firmware.
        arena: name of the arena symbol; any object whose name ends in ``_arena`` when None.

    Raises:
        McuGenError: the file is missing or no ELF file.
    """
    try:
        with path.open("rb") as file:
            return _read(ELFFile(file), arena)
    except (OSError, ELFError) as error:
        raise McuGenError(f"not a linked firmware: {error}", where=str(path)) from None


def _read(elf: Any, arena: str | None) -> Image:
    sections = {s.name: s["sh_size"] for s in elf.iter_sections() if s["sh_flags"] & 2}  # SHF_ALLOC
    functions: dict[int, Function] = {}
    objects: list[tuple[int, int, str]] = []
    arena_bytes = 0
    table = elf.get_section_by_name(".symtab")
    for symbol in table.iter_symbols() if table is not None else ():
        kind = symbol["st_info"]["type"]
        if kind == "STT_FUNC" and symbol["st_shndx"] != "SHN_UNDEF":
            address = symbol["st_value"] & ~1 if elf["e_machine"] == "EM_ARM" else symbol["st_value"]
            functions[address] = Function(symbol.name, address, symbol["st_size"])
        elif kind == "STT_OBJECT":
            objects.append((symbol["st_value"], symbol["st_value"] + symbol["st_size"], symbol.name))
            if symbol.name == arena or (arena is None and symbol.name.endswith("_arena")):
                arena_bytes += symbol["st_size"]
    objects.sort()
    tables: dict[str, set[int]] = {}
    thumb = 1 if elf["e_machine"] == "EM_ARM" else 0
    for name in (".rodata", ".data"):
        section = elf.get_section_by_name(name)
        data = section.data() if section is not None and section["sh_type"] == "SHT_PROGBITS" else b""
        for at in range(0, len(data) - 3, 4):
            word = int.from_bytes(data[at : at + 4], "little")
            if word & thumb == thumb and word - thumb in functions:
                holder = _object_at(objects, section["sh_addr"] + at)
                tables.setdefault(holder, set()).add(word - thumb)
    pointers = frozenset().union(*tables.values())
    return Image(
        sections, arena_bytes, tuple(functions.values()), pointers, {n: frozenset(t) for n, t in tables.items()}
    )


def _object_at(objects: list[tuple[int, int, str]], address: int) -> str:
    """Name of the object that holds an address; "" where there is none."""
    index = bisect.bisect_right(objects, address, key=lambda entry: entry[0]) - 1
    return objects[index][2] if index >= 0 and address < objects[index][1] else ""


def arena_in_map(path: Path, arena: str) -> int | None:
    """Size of the arena's input section in the linker's map (GNU ld or lld); None when the map does not name it.

    The arena lies alone in section ``.bss.<arena>``.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    name = re.escape(f".bss.{arena}")
    gnu = re.search(rf"^ {name}\s+0x[0-9a-f]+\s+0x([0-9a-f]+)", text, re.MULTILINE)
    lld = re.search(rf"^\s*[0-9a-f]+\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+\s+\S+:\({name}\)", text, re.MULTILINE)
    found = gnu or lld
    return None if found is None else int(found.group(1), 16)
