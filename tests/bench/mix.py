"""Counts, per kernel, the events that cost a core more than one cycle (kernels/rates.json, ``events``).

    python tests/bench/mix.py [--isa dsp] [--write]

Every kernel runs the layers that rates.py measures it with, under a plugin of QEMU's translator (mix.c) that counts
executed instructions by class; the classes come from the disassembly.  Stored are events per instruction: what cores
make of them is in ``mcu_gen/targets/timing.py``.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # as a script

from bench.counting import batches, count_plans, counting
from bench.rates import jobs, write
from mcu_gen.kernels.rates import MEASURED
from mcu_gen.plan.types import Plan
from mcu_gen.targets import EVENTS, TIMED, Target, load_target
from support.emulated import EMULATOR_S

#: Numbers of the classes in the plugin: 0 is its own, 1 counts every instruction.
CLASSES = ("taken", "instruction", *(e for e in EVENTS if e != "taken"))

_LINE = re.compile(r"^\s*([0-9a-f]+):\t(?:[0-9a-f ]+)\t(\S+)(?:\t([^;<]*))?")


@dataclass(frozen=True)
class Instruction:
    """A line of a disassembly."""

    address: int
    mnemonic: str
    operands: tuple[str, ...]


def disassembled(elf: Path, objdump: str) -> list[Instruction]:
    """All instructions of a program."""
    text = subprocess.run([objdump, "-d", str(elf)], capture_output=True, text=True, timeout=120, check=True).stdout
    found = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            operands = tuple(o.strip() for o in re.split(r",(?![^{\[(]*[}\])])", match[3] or "") if o.strip())
            found.append(Instruction(int(match[1], 16), match[2].split(".n")[0].split(".w")[0], operands))
    return found


_SINGLE = re.compile(r"(ldr|str)(b|h|sb|sh)?(eq|ne|cs|cc|mi|pl|hi|ls|ge|lt|gt|le)?$|vldr|vstr")
_MULTIPLE = re.compile(r"(ldm|stm|push|pop|ldrd|strd|vldm|vstm|vpush|vpop)")


_NAMED = {"sp": "13", "lr": "14", "pc": "15", "ip": "12", "fp": "11", "sl": "10", "sb": "9"}


def _registers(operands: Sequence[str]) -> int:
    """Registers of a list in braces."""
    inside = re.search(r"\{(.*)\}", ",".join(operands))
    if inside is None:
        return 2  # LDRD and STRD
    count = 0
    for part in inside[1].split(","):
        ends = [int(re.sub(r"\D", "", _NAMED.get(end.strip(), end))) for end in part.split("-")]
        count += ends[-1] - ends[0] + 1
    return count


def arm_events(code: Sequence[Instruction]) -> Iterator[tuple[int, str, int]]:
    """``(address, event, amount)`` of Thumb code."""
    before = False  # the instruction before is a single load or store
    for i in code:
        single = bool(_SINGLE.match(i.mnemonic)) and "[" in ",".join(i.operands)
        if single and not before:
            yield i.address, "memory", 1
        elif _MULTIPLE.match(i.mnemonic):
            yield i.address, "word", _registers(i.operands)
        elif i.mnemonic in ("sdiv", "udiv"):
            yield i.address, "divide", 1
        elif re.match(r"vfn?m[as]|vn?ml[as]", i.mnemonic):
            yield i.address, "float multiply-add", 1
        elif re.match(r"vdiv|vsqrt", i.mnemonic):
            yield i.address, "float divide", 1
        before = single


#: Result latencies of the SiFive E31, in cycles.
_LATENCY = {"lw": 2, "lb": 3, "lbu": 3, "lh": 3, "lhu": 3, "mul": 5, "mulh": 5, "mulhu": 5, "mulhsu": 5}


def riscv_events(code: Sequence[Instruction]) -> Iterator[tuple[int, str, int]]:
    """The same of RISC-V code; ``stall``: cycles until a result that one of the next instructions reads."""
    for at, i in enumerate(code):
        if i.mnemonic.startswith(("div", "rem")):
            yield i.address, "divide", 1
        latency = _LATENCY.get(i.mnemonic)
        if latency is None:
            continue
        for distance, later in enumerate(code[at + 1 : at + latency], 1):
            stores = later.mnemonic in ("sw", "sh", "sb") or later.mnemonic.startswith("b")
            read = later.operands if stores else later.operands[1:]
            if any(re.search(rf"\b{i.operands[0]}\b", operand) for operand in read):
                yield i.address, "stall", latency - distance
                break
            if later.mnemonic.startswith("b") or later.mnemonic in ("j", "jr", "ret", "call", "jal", "jalr"):
                break


def events_of_plans(plans: Sequence[Plan], target: Target, folder: Path, plugin: Path) -> list[list[list[int]]]:
    """Counters of :data:`CLASSES` for every step of every plan."""
    count_plans(plans, target, folder)
    elf = folder / "firmware.elf"
    chain = target.settings["toolchains"]["gcc"]
    code = disassembled(elf, f"{chain['prefix']}objdump")
    found = arm_events(code) if "dsp" in target.features else riscv_events(code)
    entries = [(i.address, CLASSES.index("instruction"), 1) for i in code]
    entries += [(address, CLASSES.index(event), amount) for address, event, amount in found]
    (folder / "table.txt").write_text("".join(f"{a:x} {c} {n}\n" for a, c, n in sorted(entries)))
    with elf.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name("hal_ticks")
        mark = symbols[0]["st_value"] & ~1 if "dsp" in target.features else symbols[0]["st_value"]
    qemu = counting(target).emulators["qemu"]
    argument = f"{plugin},table={folder / 'table.txt'},mark={mark:x},out={folder / 'counters.txt'}"
    subprocess.run(
        [qemu["program"], *qemu["args"], "-plugin", argument, "-serial", "null", qemu["image_option"], str(elf)],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=4 * EMULATOR_S, check=False,
    )  # fmt: skip
    marks = [list(map(int, line.split())) for line in (folder / "counters.txt").read_text().splitlines()]
    at, counted = 0, []
    for plan in plans:  # a reading before the network, and two at the end of each of its layers
        steps = []
        for _ in plan.steps:
            steps.append([b - a for a, b in zip(marks[at], marks[at + 1], strict=True)][: len(CLASSES)])
            at += 2
        at += 1
        counted.append(steps)
    assert at == len(marks), f"{len(marks)} readings, not {at}"
    return counted


def build_plugin(folder: Path) -> Path:
    """The plugin, compiled into ``folder``."""
    plugin = folder / "mix.so"
    source = Path(__file__).with_name("mix.c")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", str(source), "-o", str(plugin)], check=True, timeout=60)
    return plugin


def per_instruction(total: Sequence[int]) -> dict[str, float]:
    """Events per instruction from the counters of :data:`CLASSES`; those that never happen are left out."""
    pairs = [(c, n / total[1]) for c, n in zip(CLASSES, total, strict=True) if c != "instruction"]
    return {c: float(f"{share:.3g}") for c, share in pairs if share > 0}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isa", action="append", choices=TIMED, help="an instruction set (default: all with timings)")
    parser.add_argument("--kernel", action="append", default=[], help="a kernel (default: all)")
    parser.add_argument("--write", action="store_true", help="put the events into rates.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mcu-gen-mix-") as work:
        plugin = build_plugin(Path(work))
        for isa in options.isa or TIMED:
            target = load_target(MEASURED[isa])
            sums: dict[str, list[int]] = {}
            own = [(k, of_models or of_cases) for k, of_cases, of_models in jobs(target, options.kernel)]
            for number, batch in enumerate(batches(own, target)):
                folder = Path(work) / f"{isa or 'plain'}{number}"
                folder.mkdir()
                plans = [plan for _, plan in batch]
                for (kernel, _), steps in zip(batch, events_of_plans(plans, target, folder, plugin), strict=True):
                    total = sums.setdefault(kernel.name, [0] * len(CLASSES))
                    sums[kernel.name] = [t + sum(s[i] for s in steps) for i, t in enumerate(total)]
            shares = {name: per_instruction(total) for name, total in sums.items()}
            for name in sorted(shares):
                print(isa or "plain", name, json.dumps(shares[name]), flush=True)
            if options.write:
                write(isa, shares, "events")
    return 0


if __name__ == "__main__":
    sys.exit(main())
