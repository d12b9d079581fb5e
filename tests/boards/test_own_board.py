"""``docs/boards.md`` followed to the letter: its example becomes a board that builds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mcu_gen.build import build_project
from mcu_gen.resources import resource_dir
from mcu_gen.targets import load_target
from support.sample_firmware import ARENA, write_sample


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")
def test_the_example_of_the_page_builds(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "boards.md").read_text("utf-8")
    manifest = json.loads((resource_dir("boards") / "nucleo_f446re.json").read_text("utf-8"))
    section = manifest["mcu_gen"]
    manifest["name"] = section["title"] = "ST Nucleo-F411RE"
    manifest["build"] |= {"mcu": "stm32f411ret6", "f_cpu": "100000000L"}
    changes = {
        "HAL_F_CPU": "100000000u",
        "HAL_PLL_N": "100u",
        "HAL_FLASH_ACR": "0x703u",
        "HAL_UART_CLOCK": "25000000u",
    }
    for name, value in changes.items():
        assert f"`{name}` = `{value}`" in " ".join(page.split())
    section["hal"]["defines"] |= changes
    del section["hal"]["defines"]["HAL_OVERDRIVE"]
    section["tick"]["per_second"] = 100000000
    section["vendor_platform"]["board"] = "nucleo_f411re"
    path = tmp_path / "nucleo_f411re.json"
    path.write_text(json.dumps(manifest))

    target = load_target(str(path))
    project = write_sample(tmp_path / "p", target)
    built = build_project(project)
    assert built.ram_bytes == ARENA + target.stack_bytes
    header = (project / "lib" / "mcu_runtime" / "hal" / "hal_board.h").read_text()
    assert "#define MCU_TICKS_PER_MS 100000u" in header
    assert "HAL_OVERDRIVE" not in header
