"""The network is a PlatformIO library: an unrelated project adds it through lib_deps and calls it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mcu_gen import api
from mcu_gen.emit.project import smoke_sample

INI = """
[platformio]
core_dir = ${PROJECT_DIR}/.pio-core

[env:local]
platform = symlink://${PROJECT_DIR}/board/platform
board = mps2_an386
board_build.ldscript = board/ld/mps2_an386.ld
lib_deps =
    symlink://${PROJECT_DIR}/../generated/lib/NET
    symlink://${PROJECT_DIR}/board/lib/mcu_runtime
lib_ldf_mode = chain
lib_compat_mode = off
"""

MAIN = """
#include <string.h>
#include "hal.h"
#include "NET.h"

static const INPUT_TYPE input[] = { INPUT };
static const OUTPUT_TYPE expected[] = { OUTPUT };

int main(void) {
    hal_init();
    NET_reset();
    memcpy(NET_input(0), input, sizeof(input));
    if (NET_invoke() != 0) {
        hal_exit(2);
    }
    hal_exit(memcmp(NET_output(0), expected, sizeof(expected)) == 0 ? 0 : 3);
    return 0;
}
"""


def _c(array: np.ndarray) -> str:
    return ", ".join(str(int(v)) for v in array.reshape(-1))


@pytest.mark.qemu
def test_an_unrelated_project_uses_the_network(digits: Path, tmp_path: Path) -> None:
    """Only board support comes from the generated project; main() and platformio.ini are the user's own."""
    generated = tmp_path / "generated"
    plan = api.plan(digits, "mps2_an386")
    net = api.open_project(api.write(plan, generated).dir).network
    x, y = smoke_sample(plan.graph)
    user = tmp_path / "user"
    (user / "src").mkdir(parents=True)
    for folder in ("platform", "ld", "lib/mcu_runtime"):
        shutil.copytree(generated / folder, user / "board" / folder)
    for served in ("mcu_server.c", "mcu_hooks.c"):  # this program serves nobody
        (user / "board" / "lib" / "mcu_runtime" / served).unlink()
    (user / "platformio.ini").write_text(INI.replace("NET", net), "utf-8")
    source = MAIN.replace("NET", net).replace("INPUT_TYPE", "int8_t").replace("OUTPUT_TYPE", "int8_t")
    source = source.replace("{ INPUT }", f"{{ {_c(x[plan.graph.inputs[0]])} }}")
    source = source.replace("{ OUTPUT }", f"{{ {_c(y[plan.graph.outputs[0]])} }}")
    (user / "src" / "main.c").write_text(source, "utf-8")
    environment = os.environ | {
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_CORE_DIR": str(tmp_path / "core"),
    }
    command = [sys.executable, "-m", "platformio", "run", "-d", str(user)]
    built = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=180, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    elf = user / ".pio" / "build" / "local" / "firmware.elf"
    emulator = ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none",
                "-semihosting-config", "enable=on,target=native", "-kernel", str(elf)]  # fmt: skip
    assert subprocess.run(emulator, timeout=60, check=False).returncode == 0
