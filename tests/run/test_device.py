"""Devices on this machine: what they compute, what they refuse, and that nothing outlives them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import mcu_gen
from mcu_gen.errors import DeviceError, ToolMissingError, UsageError
from mcu_gen.link.messages import TickKind
from mcu_gen.run import Device, Limits, open_host, open_serial
from mcu_gen.run.streams import ProcessStream

X = [np.array([[1, 2, 3, 127]], np.int8), np.zeros(2, np.float32)]
QUICK = Limits(start=0.5, request=0.5, inference=0.5)


@pytest.fixture
def device(fake_program: Path) -> Iterator[Device]:
    with open_host(fake_program) as opened:
        yield opened


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def pid_of(device: Device) -> int:
    assert isinstance(device._stream, ProcessStream)
    return device._stream.pid


def test_inference(device: Device) -> None:
    first, second = device.infer(X), device.infer(X)
    np.testing.assert_array_equal(first[0], np.array([[2, 3, 4, -128]], np.int8))
    assert [first[1].tolist(), second[1].tolist()] == [[1], [2]]
    device.reset_state()
    assert device.infer(X)[1].tolist() == [1]


@pytest.mark.parametrize("reset_each", [False, True])
def test_many(device: Device, reset_each: bool) -> None:
    outputs, ticks = device.infer_many([X] * 5, reset_each=reset_each)
    assert [o[1][0] for o in outputs] == ([1] * 5 if reset_each else [1, 2, 3, 4, 5])
    assert ticks > 0
    assert device.tick_kind is TickKind.NANOSECONDS
    assert device.instructions(ticks) is None


def test_layers(device: Device) -> None:
    device.infer(X)
    assert len(device.profile()) == device.hello().layers
    assert device.capture(0, X) == bytes([2, 4, 6, 14])
    assert device.capture(1, X) == bytes([2, 3, 4, 128])
    assert device.stats().guard_ok is True


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        ([X[0]], "1 arrays were given, the network has 2 inputs"),
        ([X[0].astype(np.int16), X[1]], "input 'first': the network takes int8"),
        ([X[0][:, :3], X[1]], "input 'first'"),
        ([X[0], X[1].astype(np.float64)], "input 'second é'"),
    ],
)
def test_inputs_that_do_not_fit(device: Device, inputs: list[np.ndarray], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        device.infer(inputs)


def test_failing_network(device: Device) -> None:
    with pytest.raises(DeviceError, match="the network returned status -13"):
        device.infer([X[0], np.array([0, 13], np.float32)])


def test_process_ends_with_the_device(fake_program: Path) -> None:
    with open_host(fake_program) as device:
        pid = pid_of(device)
        assert not gone(pid)
    assert gone(pid)
    device.close()


def test_process_ends_after_an_exception(fake_program: Path) -> None:
    pids = []

    def interrupted() -> None:
        with open_host(fake_program) as device:
            pids.append(pid_of(device))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert gone(pids[0])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_process_ends_when_we_are_killed(how: signal.Signals) -> None:
    code = (
        "import signal, time\n"
        "from mcu_gen.run.streams import ProcessStream\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # jobs in the background start with it ignored
        "stream = ProcessStream(['sleep', '100'], name='sleep')\n"
        "print(stream.pid, flush=True)\n"
        "time.sleep(100)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(mcu_gen.__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(how)
        parent.wait(60)
    end = time.monotonic() + 30
    while not gone(pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert gone(pid)


def test_silent_program() -> None:
    start = time.monotonic()
    device = Device(ProcessStream(["sleep", "30"], name="sleeper"), limits=QUICK)
    pid = pid_of(device)
    with pytest.raises(DeviceError, match=r"sleeper: no answer to HELLO in 0.5 s"), device:
        pass
    assert time.monotonic() - start < 3
    assert gone(pid)


def test_program_that_dies_tells_how() -> None:
    stream = ProcessStream(["sh", "-c", "echo something broke >&2; exit 3"], name="broken")
    with pytest.raises(DeviceError, match="broken: the program ended with status 3: something broke"), Device(stream):
        pass
    stream = ProcessStream(["sh", "-c", "kill -SEGV $$"], name="broken")
    with pytest.raises(DeviceError, match="was ended by SIGSEGV"), Device(stream):
        pass


def test_program_that_hangs_in_an_inference(fake_program: Path) -> None:
    device = open_host(fake_program, limits=Limits(request=1.0, inference=0.5))
    with device:
        device.infer(X)
        os.kill(pid_of(device), signal.SIGSTOP)
        with pytest.raises(DeviceError, match="host: no answer to WRITE_INPUT in 1"):
            device.infer(X)
    assert gone(pid_of(device))


def test_programs_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such program"):
        open_host(tmp_path / "nothing")
    with pytest.raises(ToolMissingError, match="was not found"):
        ProcessStream(["no-such-program-anywhere"], name="x")
    (tmp_path / "text").write_text("no program")
    with pytest.raises(DeviceError, match="cannot be started"):
        open_host(tmp_path / "text")


@pytest.mark.parametrize("url", ["/dev/no-such-port", "nonsense://x"])
def test_ports_that_do_not_exist(url: str) -> None:
    with pytest.raises(DeviceError, match=url):
        open_serial(url)


def bridge(program: Path, listener: socket.socket, *, drop_after: int | None = None) -> None:
    """A serial server: gives the program's line to whoever connects."""
    connection, _ = listener.accept()
    with connection, subprocess.Popen([str(program)], stdin=connection.fileno(), stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        sent = 0
        while data := os.read(child.stdout.fileno(), 4096):
            connection.sendall(data)
            sent += len(data)
            if drop_after is not None and sent >= drop_after:
                child.kill()
                break


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


def test_serial_port(fake_program: Path, listener: socket.socket) -> None:
    """The same conversation over pyserial (its socket URL stands for a port)."""
    thread = threading.Thread(target=bridge, args=(fake_program, listener), daemon=True)
    thread.start()
    with open_serial(f"socket://127.0.0.1:{listener.getsockname()[1]}") as device:
        outputs, _ = device.infer_many([X] * 3)
        assert [o[1][0] for o in outputs] == [1, 2, 3]
        device.exit()
    thread.join(5)
    assert not thread.is_alive()


def test_serial_line_that_is_cut(fake_program: Path, listener: socket.socket) -> None:
    threading.Thread(target=bridge, args=(fake_program, listener), kwargs={"drop_after": 300}, daemon=True).start()
    device = open_serial(f"socket://127.0.0.1:{listener.getsockname()[1]}", limits=Limits(request=2.0))
    with pytest.raises(DeviceError, match=r"connection was lost|no answer"), device:
        device.infer_many([X] * 100)


def test_nobody_at_the_other_end(listener: socket.socket) -> None:
    with (
        pytest.raises(DeviceError, match=r"socket://127.*: no answer to HELLO in 0.5 s"),
        open_serial(f"socket://127.0.0.1:{listener.getsockname()[1]}", limits=QUICK),
    ):
        pass
