"""Verbs with channels along vectors: RISC-V V gives the bits of lanes.h, whatever the length of its vectors."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from mcu_gen.resources import resource_dir
from mcu_gen.targets import list_targets, load_target
from support.emulated import firmware_command, run_program, with_vector_length

CORES = [t.name for t in list_targets() if "qemu" in t.emulators and "rvv" in t.features]
SIMD = resource_dir("firmware") / "simd"

pytestmark = pytest.mark.qemu


def program() -> str:
    """``lanes.c`` with the headers under test."""
    text = (Path(__file__).parent / "lanes.c").read_text("utf-8")
    for header in ("scalar.h", "lanes.h", "rv32_rvv.h"):
        text = text.replace(f'#include "{header}"', f'#include "{SIMD / header}"')
    return text


@pytest.mark.parametrize("bits", [128, 256, 512])
@pytest.mark.parametrize("board", CORES)
def test_verbs_on_the_core(board: str, bits: int, tmp_path: Path) -> None:
    said = run_program(tmp_path, program(), with_vector_length(load_target(board), bits)).split("\n")
    assert said == [f"COMPARED {2 * 134 * 8}", ""]


@pytest.mark.parametrize("board", CORES)
def test_every_verb_is_replaced_by_vector_instructions(board: str, tmp_path: Path) -> None:
    """The test above would not notice a verb that stays plain C."""
    defined = set(re.findall(r"static inline \w+ (mg_lanes_\w+)\(", (SIMD / "lanes.h").read_text("utf-8")))
    replaced = re.findall(r"#define (mg_lanes_\w+)\s+(mg_rvv_\w+)", (SIMD / "rv32_rvv.h").read_text("utf-8"))
    assert {name for name, _ in replaced} == defined - {"mg_lanes_output"}
    source = tmp_path / "lanes.c"
    source.write_text(program())
    listing = tmp_path / "lanes.s"
    hal = resource_dir("firmware") / "hal"
    command = [
        *firmware_command(load_target(board)),
        f"-I{hal}",
        f"-I{tmp_path}",
        "-S",
        str(source),
        "-o",
        str(listing),
    ]
    (tmp_path / "hal_board.h").write_text("")
    subprocess.run(command, check=True, timeout=120)
    text = listing.read_text("utf-8")
    for instruction in ("vwmacc.vx", "vwmacc.vv", "vsmul.vv", "vnclip.wv", "vmulhu.vv", "vssra.vx", "vluxei8.v"):
        assert instruction in text, instruction
