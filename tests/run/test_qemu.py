"""Boards in QEMU: the same conversation, bulk memory, exact instruction counts, and no emulator left behind."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mcu_gen.errors import DeviceError, ToolMissingError, UsageError
from mcu_gen.link.messages import TickKind
from mcu_gen.run import Limits, open_qemu
from mcu_gen.run.qemu import SharedFile
from mcu_gen.run.streams import ProcessStream
from mcu_gen.targets.load import list_targets, load_target

X = [np.array([[1, 2, 3, 127]], np.int8), np.zeros(2, np.float32)]
BOARDS = sorted(t.name for t in list_targets() if "qemu" in t.emulators)

Firmware = Callable[[str], Path]


def needs(board: str) -> None:
    program = load_target(board).emulators["qemu"]["program"]
    if shutil.which(program) is None:
        pytest.skip(f"SKIPPED: {program} is not installed")


@pytest.mark.qemu
@pytest.mark.parametrize("board", BOARDS)
def test_board(board: str, firmware: Firmware) -> None:
    needs(board)
    with open_qemu(firmware(board), load_target(board)) as device:
        hello = device.hello()
        assert hello.network == "fake"
        assert hello.harness_bytes > 1 << 20
        counts = set()
        for number in range(1, 6):
            outputs = device.infer(X)
            assert outputs[0].tolist() == [[2, 3, 4, -128]]
            assert outputs[1].tolist() == [number]
            counts.add(tuple(device.profile()))
        assert len(counts) == 1, "instruction counts of the same inference differ"
        assert all(5 < n < 1000 for n in counts.pop())
        assert device.capture(0, X) == bytes([2, 4, 6, 14])
        device.reset_state()
        samples = [[np.full((1, 4), n % 100, np.int8), X[1]] for n in range(300)]
        outputs_many, ticks = device.infer_many(samples)
        assert [o[0][0, 0] for o in outputs_many] == [n % 100 + 1 for n in range(300)]
        assert [o[1][0] for o in outputs_many] == list(range(1, 301))
        instructions = device.instructions(ticks)
        assert instructions is not None
        assert 20 < instructions / 300 < 1000
        again, _ = device.infer_many(samples[:3], reset_each=True)
        assert [o[1][0] for o in again] == [1, 1, 1]
        stats = device.stats()
        assert stats.guard_ok is True
        assert 0 < stats.stack_used <= stats.stack_reserved
        device.exit(0)
        assert isinstance(device._stream, ProcessStream)
        assert device._stream.wait(5.0) == 0


@pytest.mark.qemu
def test_line_alone_gives_the_same_as_shared_memory(firmware: Firmware) -> None:
    board = load_target("mps2_an386")
    qemu = {k: v for k, v in board.emulators["qemu"].items() if k != "shared_memory"}
    alone = dataclasses.replace(board, emulators={"qemu": qemu})
    with open_qemu(firmware("mps2_an386"), alone) as device:
        outputs, ticks = device.infer_many([X] * 3)
        assert [o[1][0] for o in outputs] == [1, 2, 3]
    with open_qemu(firmware("mps2_an386"), board) as device:
        outputs, shared_ticks = device.infer_many([X] * 3)
        assert [o[1][0] for o in outputs] == [1, 2, 3]
    assert abs(ticks - shared_ticks) <= 3  # one count each, seen through a clock of 3.2 ticks per instruction


@pytest.mark.qemu
def test_without_instruction_counter_ticks_mean_nothing(firmware: Firmware) -> None:
    with open_qemu(firmware("mps2_an386"), load_target("mps2_an386"), count_instructions=False) as device:
        _, ticks = device.infer_many([X])
        assert device.tick_kind is TickKind.UNKNOWN
        assert device.instructions(ticks) is None


@pytest.mark.qemu
def test_firmware_that_is_none(tmp_path: Path) -> None:
    bad = tmp_path / "firmware.elf"
    bad.write_bytes(b"no program")
    with pytest.raises(DeviceError, match=r"QEMU \(mps2_an386\)"):
        open_qemu(bad, load_target("mps2_an386"), limits=Limits(start=2.0)).__enter__()


def test_what_qemu_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no QEMU machine"):
        open_qemu(tmp_path / "x", load_target("nucleo_f446re"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match="qemu-system-arm") as error:
        open_qemu(tmp_path / "x", load_target("mps2_an386"))
    assert error.value.hints


@pytest.mark.parametrize("board", BOARDS)
def test_shared_memory_holds_the_bulk_region(board: str) -> None:
    target = load_target(board)
    shared, region = target.emulators["qemu"]["shared_memory"], target.region("harness")
    base = int(shared["base"], 0)
    assert base <= region.base
    assert region.base + region.size <= base + shared["size"]


def test_shared_file() -> None:
    memory = SharedFile(0x1000, 64)
    memory.write(0x1010, b"abc")
    assert memory.path.read_bytes()[0x10:0x13] == b"abc"
    assert memory.read(0x1010, 3) == b"abc"
    for address, length in ((0xFFF, 1), (0x1040, 1), (0x1000, 65)):
        with pytest.raises(DeviceError, match="do not lie in the shared memory"):
            memory.read(address, length)
    memory.close()
    memory.close()
    assert not memory.path.exists()
