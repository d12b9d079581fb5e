"""Weights in flash survive a power loss at any instant: the store of the firmware on a model of NOR flash.

``power_loss.c`` holds the cases and says what is checked; here they run with sanitizers on this machine and on emulated
cores, and changes of the store that would break it are noticed.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mcu_gen.resources import resource_dir
from mcu_gen.targets import load_target
from support.emulated import run_program
from support.three_way import COMPILE_S, SANITIZE, compiler

HERE = Path(__file__).parent
FIRMWARE = resource_dir("firmware")
STORE = FIRMWARE / "runtime" / "mcu_store.c"
SOURCES = [HERE / "nor.c", FIRMWARE / "link" / "mcu_crc32.c"]
INCLUDES = [f"-I{folder}" for folder in (HERE, FIRMWARE / "hal", FIRMWARE / "link", FIRMWARE / "runtime")]
FLAGS = ["-std=c99", "-O2", "-g", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]

#: Deadline of a run, seconds; a loaded machine is slow.
RUN_S = 600

#: Word sizes and geometries that the program names.
SETS = 3 * 4 + 7 * 3


def run_on_host(folder: Path, store: Path, *options: str) -> list[str]:
    """The lines that the cases print."""
    program = folder / "power_loss"
    command = [*compiler(), *FLAGS, *INCLUDES, *options, "-DON_HOST", str(HERE / "power_loss.c"), *map(str, SOURCES)]
    subprocess.run([*command, str(store), "-o", str(program)], check=True, timeout=COMPILE_S)
    done = subprocess.run([str(program)], capture_output=True, text=True, timeout=RUN_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def check(lines: list[str]) -> None:
    assert [line for line in lines if line.startswith("FAIL")] == []
    assert len([line for line in lines if line.startswith("ok ")]) == SETS
    assert lines[-1] == "DONE"


def test_power_cut_at_every_write_and_again_in_what_follows(tmp_path: Path) -> None:
    check(run_on_host(tmp_path, STORE, *SANITIZE))


@pytest.mark.qemu
@pytest.mark.parametrize("board", ["mps2_an386", "rv32_virt"])
def test_power_cut_on_a_core(board: str, tmp_path: Path) -> None:
    """The same on a Cortex-M4 and on RV32, a selection of the cases with two cuts."""
    main = (HERE / "power_loss.c").read_text()
    options = ["-DTHOROUGH=0", *INCLUDES]
    check(run_program(tmp_path, main, load_target(board), [*SOURCES, STORE], options).splitlines())


#: What would be easier to leave out: the text in ``mcu_store.c``, and what takes its place.
SHORTCUTS = {
    "marks need no proof": ("any_of_pairs(f, slot, MARK + 1u)", "any_of_pairs(f, slot, MARK)"),
    "doubt is not decided": ("if (!proven) (void)accept(f, slot);", ""),
    "a right CRC is enough": ("any_of_pairs(f, slot, MARK) && !touched(f, slot, DEAD)", "1"),
    "what is not marked is left": ("        reject(f, slot);\n", ""),
    "no word says that it is dead": ("if (!word_is(f, slot, DEAD, 0u)) (void)set_word(f, slot, DEAD);", ""),
    "the CRC is not looked at": ("return crc == h->crc;", "return 1;"),
    "the newest image is erased": ("newest(flash, image, &h) == 0u ? 1u : 0u", "newest(flash, image, &h) & 1u"),
    "sequence numbers are compared as numbers": ("a != b && a - b < 0x80000000u", "a > b"),
    "forgetting is erasing": ("if (h.bytes != 0u) {", "if (0) {"),
}


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_the_cases_notice_shortcuts(shortcut: str, tmp_path: Path) -> None:
    """The model is hostile enough: each part of the protocol is there because of a case that fails without it."""
    old, new = SHORTCUTS[shortcut]
    text = STORE.read_text()
    assert text.count(old) == 1
    changed = tmp_path / "mcu_store.c"
    changed.write_text(text.replace(old, new))
    lines = run_on_host(tmp_path, changed, "-DTHOROUGH=0", "-Wno-unused-function")
    assert any(line.startswith("FAIL") for line in lines)
