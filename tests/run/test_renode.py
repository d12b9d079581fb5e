"""Renode's part: finding it, its script, what is refused; a stand-in program plays Renode where there is none."""

from __future__ import annotations

import dataclasses
import stat
from pathlib import Path

import numpy as np
import pytest

from mcu_gen.errors import DeviceError, ToolMissingError, UsageError
from mcu_gen.run import Limits, open_renode
from mcu_gen.run.renode import find_renode, renode_script
from mcu_gen.targets.load import load_target
from mcu_gen.targets.target import Target

X = [np.array([[1, 2, 3, 127]], np.int8), np.zeros(2, np.float32)]
SETTINGS = {"platform": "platforms/cpus/stm32f4.repl", "uart": "sysbus.usart2", "setup": ["logLevel 3"]}

STAND_IN = """#!{python}
import re, socket, subprocess, sys, os
script = open(re.search(r"i @(\\S+)", sys.argv[-1])[1]).read()
port = int(re.search(r"CreateServerSocketTerminal (\\d+)", script)[1])
elf = re.search(r"LoadELF @(\\S+)", script)[1]
print("monitor says hello", flush=True)
if "fail" in elf:
    sys.exit("no such platform")
with socket.create_server(("127.0.0.1", port)) as server:
    connection, _ = server.accept()
child = subprocess.Popen([elf], stdin=connection.fileno(), stdout=subprocess.PIPE)
while data := os.read(child.stdout.fileno(), 4096):
    connection.sendall(data)
"""


@pytest.fixture
def board() -> Target:
    return dataclasses.replace(load_target("nucleo_f446re"), emulators={"renode": SETTINGS})


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import sys

    program = tmp_path / "renode-stand-in"
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("RENODE", str(program))
    return program


def test_script_names_platform_line_and_firmware() -> None:
    lines = renode_script(Path("/f/firmware.elf"), SETTINGS, 3456).splitlines()
    assert lines == [
        'mach create "mcu-gen"',
        "machine LoadPlatformDescription @platforms/cpus/stm32f4.repl",
        'emulation CreateServerSocketTerminal 3456 "link" false',
        "connector Connect sysbus.usart2 link",
        "logLevel 3",
        "sysbus LoadELF @/f/firmware.elf",
        "start",
    ]


def test_conversation_through_the_terminal(board: Target, stand_in: Path, fake_program: Path) -> None:
    with open_renode(fake_program, board) as device:
        assert device.infer(X)[1].tolist() == [1]
        assert device.name == "Renode (nucleo_f446re)"


def test_renode_that_does_not_start(board: Target, stand_in: Path, tmp_path: Path) -> None:
    firmware = tmp_path / "fail.elf"
    firmware.write_bytes(b"")
    with pytest.raises(DeviceError, match=r"did not open its terminal in 1 s: .*no such platform"):
        open_renode(firmware, board, limits=Limits(start=1.0))


def test_renode_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RENODE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match="renode was not found on PATH"):
        find_renode()
    monkeypatch.setenv("RENODE", str(tmp_path / "gone"))
    with pytest.raises(ToolMissingError, match=r"\$RENODE names"):
        find_renode()


def test_what_renode_cannot_run(board: Target, stand_in: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no Renode platform"):
        open_renode(tmp_path / "x", load_target("mps2_an386"))
    m55 = dataclasses.replace(load_target("mps3_an547"), emulators={"renode": SETTINGS})
    m55 = dataclasses.replace(m55, features=m55.features | {"fp16_native"})
    with pytest.raises(UsageError, match="Renode computes FP16 on Cortex-M wrongly"):
        open_renode(tmp_path / "x", m55, fp16=True)
    with pytest.raises(UsageError, match="no such firmware"):
        open_renode(tmp_path / "x", board)


@pytest.mark.renode
def test_renode_itself_answers() -> None:
    """The installed Renode starts, runs a monitor command and ends."""
    import subprocess

    command = [str(find_renode()), "--disable-xwt", "--console", "--plain", "-e", "version; quit"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    assert "Renode" in done.stdout + done.stderr
