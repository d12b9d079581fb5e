"""Worst-case stack of a linked firmware.

Frames come from the compiler (``-fstack-usage``), those of library functions from the instructions that move the stack
pointer.  Direct calls come from the disassembly of the linked image, so inlining and removed code are taken as they
are.  An indirect call can reach every function whose address is taken; such an edge is left out when it would close a
cycle, because no function of the firmware calls itself through a pointer, and where a file of the runtime has nothing
to do with the network's table.  Direct recursion has no bound.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mcu_gen.build.elf import Image

_SYMBOL = re.compile(r"^([0-9a-f]+) <(.+)>:$")
_INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(?:[0-9a-f]{2,8} ?)+\s+(\S+)(?:\s+(.*))?$")
_TARGET = re.compile(r"(?:^|[\s,])([0-9a-f]+) <([^>+]+)>")
_ANNOTATED = re.compile(r"# ([0-9a-f]+) <[^>+]+>")
_WORD = re.compile(r"^0x([0-9a-f]+)")
#: Arm: calls and jumps to another function; RISC-V: the same.
_JUMPS = re.compile(
    r"^(?:b|bl|blx|b\.n|b\.w|b[a-z]{2}(?:\.n|\.w)?|jal|j|tail|call|cbn?z|beqz?|bnez?|bltz?|bgez?|bltu|bgeu)$"
)

#: Files of the runtime that never call through the network's table: the wire calls the serial line, the store the flash
#: and the pieces of what it keeps.
_BESIDE_THE_NETWORK = ("mcu_wire.c", "mcu_store.c")
#: The table that the generated glue fills for the server.
_NETWORK_TABLES = re.compile(r"^(?:mcu_gen_model|\w+_store)$")


@dataclass
class _Code:
    """What the disassembly says of one function."""

    name: str
    address: int
    frame: int = 0
    dynamic: bool = False
    calls: set[int] = field(default_factory=set)
    indirect: bool = False


@dataclass(frozen=True)
class StackBound:
    """Worst-case stack in bytes and the chain of calls that needs it; ``bytes`` is None when there is no bound."""

    bytes: int | None
    path: tuple[str, ...]
    reason: str = ""


def compiler_frames(folder: Path) -> dict[str, int | None]:
    """Frame sizes from the ``.su`` files below ``folder``, by function; None for a frame of variable size.

    Functions of the same name in several files share the largest frame.
    """
    frames: dict[str, int | None] = {}
    for path in sorted(folder.rglob("*.su")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            place, size, kind = [*line.split("\t"), "", ""][:3]
            name = place.rsplit(":", 1)[-1]
            known = frames.get(name, 0)
            unbounded = ("dynamic" in kind and "bounded" not in kind) or known is None or not size.isdigit()
            frames[name] = None if unbounded else max(int(size), known or 0)
    return frames


def functions_of(folder: Path, files: Iterable[str]) -> set[str]:
    """The functions that the ``.su`` files below ``folder`` place into source files of these names."""
    found = set()
    for path in sorted(folder.rglob("*.su")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            place = line.split("\t", 1)[0].split(":")
            if place[0].rsplit("/", 1)[-1] in files:
                found.add(place[-1])
    return found


def indirect_callers(folder: Path) -> set[str] | None:
    """Functions with indirect calls according to GCC's ``.ci`` files; None when there are no such files."""
    files = sorted(folder.rglob("*.ci"))
    edge = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "__indirect_call"')
    names = {m for path in files for m in edge.findall(path.read_text(encoding="utf-8", errors="replace"))}
    return {name.rsplit(":", 1)[-1] for name in names} if files else None


def disassemble(objdump: str, elf: Path) -> str:
    """The disassembly of the code sections."""
    command = [objdump, "-d", "-w", str(elf)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def stack_bound(text: str, image: Image, folder: Path, root: str = "Reset_Handler", base: int = 16) -> StackBound:
    """The deepest stack below ``root``.

    Args:
        text: disassembly of the image.
        image: its symbols and the function pointers in its data.
        folder: build folder with ``.su`` and ``.ci`` files.
        root: where execution starts.
        base: bytes at the end of the stack that are not for calls (the C library's errno).
    """
    codes, taken = _parse(text, {f.address for f in image.functions})
    frames = compiler_frames(folder)
    callers = indirect_callers(folder)
    names = {address: code.name.split(".")[0] for address, code in codes.items()}
    size: dict[int, int] = {}
    dynamic: set[int] = set()
    edges: dict[int, set[int]] = {}
    for address, code in codes.items():
        plain = code.name.split(".")[0]
        own = plain in frames
        frame = frames[plain] if own else code.frame
        size[address] = 0 if frame is None else frame
        if frame is None or (not own and code.dynamic):
            dynamic.add(address)
        edges[address] = set(code.calls)
        # Library code takes no callbacks here; for our own, GCC says exactly who calls through a pointer.
        code.indirect = own and (code.indirect if callers is None else plain in callers)
    others = frozenset().union(*(t for name, t in image.tables.items() if not _NETWORK_TABLES.match(name)))
    every = (taken | image.pointers) & set(codes)
    beside = functions_of(folder, _BESIDE_THE_NETWORK)
    targets = {a: every & (taken | others) if names[a] in beside else every for a, c in codes.items() if c.indirect}
    reachable = _reachability({a: edges[a] | targets.get(a, set()) for a in codes})
    for address, reached in targets.items():
        edges[address] |= {t for t in reached if address not in reachable[t] and t != address}
    start = next((a for a, name in names.items() if name == root), None)
    if start is None:
        return StackBound(None, (), f"there is no {root}")
    return _deepest(start, edges, size, dynamic, names, base)


def _deepest(
    start: int,
    edges: Mapping[int, Iterable[int]],
    size: Mapping[int, int],
    dynamic: set[int],
    names: Mapping[int, str],
    base: int,
) -> StackBound:
    depth: dict[int, int] = {}
    following: dict[int, int | None] = {}
    trouble: list[str] = []

    def visit(at: int, path: frozenset[int]) -> int:
        if at in path:
            trouble.append(f"{names[at]} calls itself")
            return 0
        if at not in depth:
            if at in dynamic:
                trouble.append(f"{names[at]} has a frame of variable size")
            best, choice = 0, None
            for callee in sorted(edges[at]):
                below = visit(callee, path | {at})
                if below > best:
                    best, choice = below, callee
            depth[at], following[at] = size[at] + best, choice
        return depth[at]

    total = visit(start, frozenset()) + base
    chain: list[str] = []
    at: int | None = start
    while at is not None and len(chain) <= len(names):
        chain.append(names[at])
        at = following.get(at)
    if trouble:
        return StackBound(None, tuple(chain), trouble[0])
    return StackBound(total, tuple(chain))


def _reachability(edges: Mapping[int, Iterable[int]]) -> dict[int, set[int]]:
    result: dict[int, set[int]] = {}
    for start in edges:
        seen: set[int] = set()
        todo = list(edges[start])
        while todo:
            at = todo.pop()
            if at not in seen:
                seen.add(at)
                todo.extend(edges.get(at, ()))
        result[start] = seen
    return result


def _parse(text: str, functions: set[int]) -> tuple[dict[int, _Code], set[int]]:
    """Code by address, and the functions whose address the code itself takes."""
    codes: dict[int, _Code] = {}
    taken: set[int] = set()
    low_halves: dict[str, int] = {}
    current: _Code | None = None
    for line in text.splitlines():
        symbol = _SYMBOL.match(line)
        if symbol:
            address = int(symbol.group(1), 16)
            if address in functions or current is None:
                current = codes.setdefault(address, _Code(symbol.group(2), address))
                low_halves = {}
            continue
        found = _INSTRUCTION.match(line)
        if not found or current is None:
            continue
        mnemonic, operands = found.group(2), (found.group(3) or "").split(";")[0].split("@")[0].strip()
        _frame(current, mnemonic, operands)
        _flow(current, mnemonic, operands, functions)
        _addresses(mnemonic, operands, low_halves, taken, functions)
    for code in codes.values():
        code.calls &= set(codes)
        for callee in [c for c in code.calls if codes[c].name.startswith("__riscv_save_")]:
            # Such a helper makes its caller's frame and returns with the stack pointer moved.
            code.frame += codes[callee].frame
            code.calls.discard(callee)
    return codes, taken


def _registers(operands: str) -> int:
    """Bytes of a register list such as ``{r4, r5, lr}`` or ``{d8-d10}``."""
    total = 0
    for item in operands[operands.find("{") + 1 : operands.find("}")].split(","):
        first, _, last = item.strip().partition("-")
        width = 8 if first.startswith("d") else 4
        count = int(last[1:]) - int(first[1:]) + 1 if last else 1
        total += width * count
    return total


def _frame(code: _Code, mnemonic: str, operands: str) -> None:
    base = mnemonic.split(".")[0]
    if base in ("push", "vpush") or (base in ("stmdb", "vstmdb") and operands.startswith("sp!")):
        code.frame += _registers(operands)
    elif base in ("sub", "subw") and operands.startswith("sp"):
        amount = re.search(r"#(\d+)", operands)
        code.frame += int(amount.group(1)) if amount else 0
        code.dynamic |= amount is None
    elif base in ("str", "strd") and (pre := re.search(r"\[sp, #-(\d+)\]!", operands)):
        code.frame += int(pre.group(1))
    elif base in ("addi", "add") and (move := re.match(r"sp,sp,(-?\w+)$", operands)):
        try:
            code.frame += max(0, -int(move.group(1), 0))
        except ValueError:
            code.dynamic = True


def _flow(code: _Code, mnemonic: str, operands: str, functions: set[int]) -> None:
    if _JUMPS.match(mnemonic):
        if target := _TARGET.search(operands):
            callee = int(target.group(1), 16)
            if callee == code.address and mnemonic not in ("bl", "blx", "jal", "call"):
                return  # a loop that starts where the function does
            code.calls.add(callee)
        elif mnemonic == "blx":
            code.indirect = True
    elif (
        mnemonic == "jalr"
        or (mnemonic == "bx" and operands != "lr")
        or (mnemonic == "jr" and operands not in ("ra", "t0"))
    ):
        if (target := _ANNOTATED.search(operands)) and int(target.group(1), 16) in functions:
            code.calls.add(int(target.group(1), 16))  # a far call: auipc and jalr
        else:
            code.indirect = True


def _addresses(mnemonic: str, operands: str, low: dict[str, int], taken: set[int], functions: set[int]) -> None:
    if mnemonic == ".word" and (word := _WORD.match(operands)):
        value = int(word.group(1), 16)
        if value & 1 and value - 1 in functions:
            taken.add(value - 1)
    elif mnemonic.startswith(("movw", "movt")) and "#" in operands:
        register, _, number = operands.partition(",")
        value = int(number.split("#")[1].split()[0], 0)
        if mnemonic.startswith("movw"):
            low[register] = value
        else:
            address = (value << 16) | low.get(register, 0)
            if address & 1 and address - 1 in functions:
                taken.add(address - 1)
    elif mnemonic in ("addi", "add", "mv", "li") and (annotated := _ANNOTATED.search(operands)):
        taken |= {int(annotated.group(1), 16)} & functions
