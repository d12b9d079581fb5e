"""Flash for weights: its region and its driver come with firmware that learns only, and the drivers compile or run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from mcu_gen import api
from mcu_gen.build import build_project
from mcu_gen.resources import resource_dir
from mcu_gen.targets import Target, list_targets, load_target, project_files
from support.emulated import run_program, toolchain_command
from train.networks import Network, build, dense

TARGETS = list_targets()
STORES = [t for t in TARGETS if t.region_or_none("store")]
FIRMWARE = resource_dir("firmware")
HERE = Path(__file__).parent

CASES = [(t, kind) for t in STORES for kind in t.settings["toolchains"]["order"]]


def write(folder: Path, target: Target) -> Path:
    """The board's files of a firmware that learns; the folder of the runtime."""
    for name, text in project_files(target, net="n", origin=["A test."], learns=True).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "lib" / "mcu_runtime"


@pytest.mark.parametrize("target", TARGETS, ids=[t.name for t in TARGETS])
def test_driver_and_region_come_with_learning_only(target: Target) -> None:
    plain, learns = (project_files(target, net="n", origin=["A test."], learns=on) for on in (False, True))
    drivers = [name for name in learns if "/hal/flash_" in name and name.endswith(".c")]
    assert len(drivers) == 1
    assert set(plain) < set(learns)
    assert not any("/hal/flash_" in name or "HAL_STORE_BASE" in text for name, text in plain.items())
    flash, store = target.region("flash"), target.region_or_none("store")
    script = f"ld/{target.name}.ld"
    if store is None:
        assert drivers[0].endswith("flash_none.c")
        assert plain[script] == learns[script]
    elif flash.base < store.base < flash.base + flash.size:
        assert f"ORIGIN = 0x{flash.base:08x}, LENGTH = {flash.size}" in plain[script]
        assert f"ORIGIN = 0x{flash.base:08x}, LENGTH = {store.base - flash.base}" in learns[script]
    else:
        assert plain[script] == learns[script]


@pytest.mark.parametrize(("target", "toolchain"), CASES, ids=[f"{t.name}-{kind}" for t, kind in CASES])
def test_the_driver_compiles_without_a_warning(target: Target, toolchain: str, tmp_path: Path) -> None:
    """Also that the region is two slots of whole erase units: a wrong one is an array of negative size."""
    command = toolchain_command(target, toolchain)
    if command is None:
        pytest.skip(f"{toolchain} for {target.name} is not installed")
    runtime = write(tmp_path, target)
    for source in [*runtime.glob("hal/flash_*.c"), *runtime.glob("hal/armm_*.c")]:
        flags = [
            "-std=c99",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Wconversion",
            "-Werror",
            f"-I{runtime}",
            f"-I{runtime / 'hal'}",
        ]
        subprocess.run([*command, *flags, "-c", str(source), "-o", str(tmp_path / "o")], check=True, timeout=120)


_ON_RAM = """
#include "hal.h"
#include "mcu_store.h"
static unsigned char ram[3000];
static void *piece(unsigned i, uint32_t *bytes) { *bytes = i == 0u ? 1000u : 2000u; return ram + 1000u * i; }
static const mcu_image image = {"a test", 2, piece};
static void put(const char *text) { while (*text != '\\0') hal_putc((uint8_t)*text++); }
static void say(const char *what, int status) { put(what); put(status == 0 ? " ok\\n" : " failed\\n"); }
static int holds(unsigned char value) {
    for (unsigned i = 0; i < sizeof ram; i++) if (ram[i] != (unsigned char)(value + i)) return 0;
    return 1;
}
static void fill(unsigned char value) {
    for (unsigned i = 0; i < sizeof ram; i++) ram[i] = (unsigned char)(value + i);
}
int main(void) {
    const mcu_flash *flash = hal_flash();
    hal_init();
    say("nothing", mcu_store_load(flash, &image) == MCU_STORE_EMPTY ? 0 : 1);
    for (unsigned char n = 1; n < 5u; n++) {
        fill(n);
        say("save", mcu_store_save(flash, &image));
        fill(0);
        say("load", mcu_store_load(flash, &image));
        say("same", !holds(n));
    }
    say("forget", mcu_store_forget(flash, &image));
    say("nothing", mcu_store_load(flash, &image) == MCU_STORE_EMPTY ? 0 : 1);
    hal_exit(0);
    return 0;
}
"""

#: What the program above says.
SAID = ["nothing ok", *["save ok", "load ok", "same ok"] * 4, "forget ok", "nothing ok"]

STORE = [FIRMWARE / "runtime" / "mcu_store.c", FIRMWARE / "link" / "mcu_crc32.c"]
INCLUDES = [f"-I{FIRMWARE / room}" for room in ("runtime", "link")]

EMULATED = [t.name for t in STORES if t.emulators]


@pytest.mark.qemu
@pytest.mark.parametrize("board", EMULATED)
def test_emulated_boards_have_memory_that_behaves_like_flash(board: str, tmp_path: Path) -> None:
    said = run_program(tmp_path, _ON_RAM, load_target(board), STORE, INCLUDES, learns=True)
    assert said.splitlines() == SAID


def test_the_driver_of_nrf52_on_the_nvmc_of_qemu(tmp_path: Path) -> None:
    """QEMU models the NVMC of nRF51 (machine microbit): the same registers, pages of 1 KB, writes only clear bits."""
    qemu, gcc = shutil.which("qemu-system-arm"), shutil.which("arm-none-eabi-gcc")
    if qemu is None or gcc is None:
        pytest.skip("qemu-system-arm and arm-none-eabi-gcc are needed")
    runtime = write(tmp_path, load_target("nrf52840_dk"))
    board = runtime / "hal" / "hal_board.h"
    store = "#define HAL_STORE_BASE 0x20000u\n#define HAL_STORE_BYTES 0x8000u\n#define HAL_FLASH_UNIT 1024u\n"
    lines = [line for line in board.read_text().splitlines() if "HAL_STORE" not in line]
    board.write_text("\n".join([*lines[:-1], store, lines[-1], ""]))
    (tmp_path / "main.c").write_text(_ON_RAM)
    (tmp_path / "start.c").write_text((HERE / "nrf51_start.c").read_text())
    (tmp_path / "nrf51.ld").write_text(
        "SECTIONS { .text 0 : { KEEP(*(.vectors)) *(.text* .rodata*) } .bss 0x20000000 : { *(.bss* COMMON .data*) } }"
    )
    flags = ["-mthumb", "-mcpu=cortex-m0", "-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-nostartfiles", *INCLUDES]
    sources = [tmp_path / "main.c", tmp_path / "start.c", *runtime.glob("hal/flash_nrf52.c"), *STORE]
    elf = tmp_path / "nrf51.elf"
    command = [gcc, *flags, f"-I{runtime}", f"-I{runtime / 'hal'}", *map(str, sources), f"-T{tmp_path / 'nrf51.ld'}"]
    subprocess.run([*command, "-o", str(elf)], check=True, timeout=120)
    machine = ["-M", "microbit", "-display", "none", "-monitor", "none", "-serial", "none"]
    semihosting = ["-semihosting-config", "enable=on,target=native", "-kernel", str(elf)]
    done = subprocess.run([qemu, *machine, *semihosting], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout + done.stderr).splitlines() == SAID


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")
@pytest.mark.parametrize(("board", "expects_nmi"), [("nucleo_l4r5zi", True), ("nucleo_f446re", False)])
def test_firmware_that_learns_links_below_its_store(board: str, expects_nmi: bool, tmp_path: Path) -> None:
    """No RAM but the arena's, no byte of the program in the store; the NMI is the driver's where it expects one."""
    network = Network("net", (1, 6), [dense(5, activation="relu"), dense(3)])
    api.generate(build(network), board, tmp_path / "p", train="all,loss=softmax_cross_entropy")
    built = build_project(tmp_path / "p", toolchain="gcc")
    assert (built.bss, built.data) == (built.arena_bytes, 0)
    with built.elf.open("rb") as file:
        elf = ELFFile(file)
        ends = [s["p_paddr"] + s["p_filesz"] for s in elf.iter_segments() if s["p_filesz"]]
        symbols = {s.name: s["st_value"] for s in elf.get_section_by_name(".symtab").iter_symbols()}
        vector = int.from_bytes(elf.get_section_by_name(".vectors").data()[8:12], "little")
    assert max(ends) <= load_target(board).region("store").base
    assert vector == symbols["NMI_Handler"]
    assert (symbols["NMI_Handler"] != symbols["Fault_Handler"]) == expects_nmi
