"""Board manifests: the shipped ones are right, and wrong ones are refused with everything that is wrong."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from mcu_gen.errors import UsageError
from mcu_gen.resources import resource_dir
from mcu_gen.targets import check_manifest, list_targets, load_target, project_files

TARGETS = list_targets()
NAMES = [t.name for t in TARGETS]


def test_the_promised_boards_ship() -> None:
    emulated = {"mps2_an386", "mps2_an500", "mps2_an505", "mps3_an547", "rv32_virt", "rv32_virt_rvv", "rv32_virt_zfh"}
    arm = {"nucleo_f446re", "disco_f746ng", "nucleo_l4r5zi", "nucleo_h743zi", "nrf52840_dk", "ek_ra8m1"}
    assert emulated | arm | {"hifive1_revb", "esp32c3"} <= set(NAMES)


@pytest.mark.parametrize("target", TARGETS, ids=NAMES)
def test_a_shipped_manifest_obeys_every_rule(target: Any) -> None:
    assert check_manifest(target.manifest) == []
    assert load_target(target.name) == target
    assert target.ram_bytes == target.manifest["upload"]["maximum_ram_size"]
    assert target.flash_bytes == target.manifest["upload"]["maximum_size"]
    for header in target.simd:
        assert (resource_dir("firmware") / "simd" / f"{header}.h").is_file()


@pytest.mark.parametrize("target", [t for t in TARGETS if t.emulators], ids=[t.name for t in TARGETS if t.emulators])
def test_an_emulated_board_has_a_harness_region_where_the_loader_writes(target: Any) -> None:
    assert int(target.emulators["qemu"]["loader_base"], 0) == target.region("harness").base
    assert target.ram_bytes == 4 << 20


@pytest.mark.parametrize("target", TARGETS, ids=NAMES)
def test_the_boards_files_depend_on_the_arguments_only(target: Any) -> None:
    first = project_files(target, net="n", origin=("a", "b"))
    assert first == project_files(load_target(target.name), net="n", origin=("a", "b"))
    assert {"platformio.ini", f"ld/{target.name}.ld", "platform/platform.json", "lib/mcu_runtime/hal.h"} <= set(first)
    assert not any(str(resource_dir("boards").parent) in text for text in first.values())


def test_no_board_name_occurs_in_python() -> None:
    sources = Path(resource_dir("boards")).parent / "codegen" / "mcu_gen"
    names = re.compile("|".join(NAMES))
    found = [
        f"{path.name}: {match.group()}"
        for path in sources.rglob("*.py")
        for match in names.finditer(re.sub(r'""".*?"""|#.*', "", path.read_text("utf-8"), flags=re.DOTALL))
        if path.parent.name in ("targets", "build")
    ]
    assert found == []


def test_an_unknown_board_names_its_neighbours() -> None:
    with pytest.raises(UsageError, match="unknown board 'mps2_an368'") as caught:
        load_target("mps2_an368")
    assert "mps2_an386" in caught.value.hints[0]


def test_a_path_to_a_manifest_works(tmp_path: Path) -> None:
    own = tmp_path / "my_board.json"
    own.write_text((resource_dir("boards") / "mps2_an386.json").read_text())
    target = load_target(str(own))
    assert target.name == "my_board"
    assert target.regions == load_target("mps2_an386").regions


@pytest.mark.parametrize("content", [None, "", "{", "[]", "null", "{}", '{"mcu_gen": 3}', '{"mcu_gen": {}}'])
def test_a_broken_manifest_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "b.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError) as caught:
        load_target(str(path))
    assert caught.value.where == str(path)


#: A change to a right manifest, and what the complaint must say.
WRONG: list[tuple[str, Any, str]] = [
    ("name", None, "'name'"),
    ("build.cpu", 4, "'build.cpu'"),
    ("mcu_gen.features", ["dsp", "warp"], "unknown feature 'warp'"),
    ("mcu_gen.fp16", "native", "'native'"),
    ("mcu_gen.stack_bytes", 1000, "1000"),
    ("mcu_gen.stack_bytes", True, "True"),
    ("mcu_gen.stack_bytes", 0, "'mcu_gen.stack_bytes' is 0"),
    ("mcu_gen.regions", [], "needs a region with use 'ram'"),
    ("mcu_gen.regions.0.use", "rom", "'rom'"),
    ("mcu_gen.regions.0.size", "much", "inside the 32-bit address space"),
    ("mcu_gen.regions.1.base", "0x00000010", "overlap"),
    ("mcu_gen.hal.sources", ["uart/none_such.c"], "uart/none_such.c"),
    ("mcu_gen.hal.sources", ["../../secret"], "secret"),
    ("mcu_gen.toolchains.order", ["gcc", "icc"], "icc"),
    ("mcu_gen.toolchains.gcc.machine_flags", "-mthumb", "machine_flags"),
    ("mcu_gen.emulators.qemu.instructions_per_tick", [5, 0], "instructions_per_tick"),
    ("mcu_gen.tick.kind", "minutes", "tick.kind"),
    ("mcu_gen.library", True, "mcu_gen.library"),
    ("mcu_gen.regions.3.use", "ram", "no region with use 'store', but 'mcu_gen.hal.sources' has 1"),
    ("mcu_gen.regions.2.use", "store", "there is one region with use 'store'"),
    ("mcu_gen.regions.3.base", "0x00100000", "'store' overlap"),  # the middle of the flash
    ("mcu_gen.hal.sources", ["armm/start.c"], "has 0 files of firmware/hal/flash"),
]


@pytest.mark.parametrize(("place", "value", "complaint"), WRONG)
def test_every_rule_can_be_broken(place: str, value: Any, complaint: str) -> None:
    manifest = copy.deepcopy(json.loads((resource_dir("boards") / "mps2_an386.json").read_text()))
    *parents, last = place.split(".")
    at: Any = manifest
    for key in parents:
        at = at[int(key)] if isinstance(at, list) else at[key]
    at[int(last) if isinstance(at, list) else last] = value
    assert any(complaint in problem for problem in check_manifest(manifest))


def test_ticks_become_instructions_exactly() -> None:
    for target in TARGETS:
        if "qemu" not in target.emulators:
            continue
        numerator, denominator = target.emulators["qemu"]["instructions_per_tick"]
        for count in (0, 1, 2, 3, 1000, 10**9 + 7, 5 * 10**12 + 1):
            ticks = count * denominator // numerator
            assert target.instructions(ticks) == count


def test_ram_limits_are_checked() -> None:
    target = load_target("nucleo_f446re")
    with pytest.raises(UsageError, match="131073"):
        project_files(target, net="n", origin=(), max_ram=target.ram_bytes + 1)
    with pytest.raises(UsageError, match="must fit"):
        project_files(target, net="n", origin=(), max_ram=target.stack_bytes - 1)
    script = project_files(target, net="n", origin=(), max_ram=12345)["ld/nucleo_f446re.ld"]
    assert "LENGTH = 12345" in script
