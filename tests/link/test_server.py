"""The server in C against the table in Python: every request, every refusal, and any bytes at all."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mcu_gen.link.fields import pack
from mcu_gen.link.framing import FrameReader, encode_frame
from mcu_gen.link.messages import ANSWER_BIT, BY_NAME, ERROR, MESSAGES, REQUEST_HEADER, Reason
from mcu_gen.link.session import DeviceRefusedError, Session
from mcu_gen.run.streams import ProcessStream

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def request_bytes(code: int, number: int, body: bytes, deadline_ms: int = 0) -> bytes:
    return pack(REQUEST_HEADER, {"code": code, "id": number, "deadline_ms": deadline_ms}) + body


@pytest.fixture(scope="module")
def stream(fake_program: Path) -> Iterator[ProcessStream]:
    line = ProcessStream([str(fake_program)], name="host")
    yield line
    line.close()


@pytest.fixture(scope="module")
def session(stream: ProcessStream) -> Session:
    made = Session(stream)
    made.max_payload = made.request("HELLO")["max_payload"]
    return made


@pytest.fixture
def plain(plain_program: Path) -> Iterator[Session]:
    line = ProcessStream([str(plain_program)], name="host")
    yield Session(line)
    line.close()


def exchange(stream: ProcessStream, data: bytes, answers: int = 1) -> list[bytes]:
    """Sends raw bytes and collects their answers, whatever was still under way before."""
    mark = request_bytes(BY_NAME["HELLO"].code, 0xBEEF, b"")
    stream.write(b"\x00" + encode_frame(mark) + data, 5.0)
    reader, found, end = FrameReader(), [], time.monotonic() + 5.0
    marked = False
    while len(found) < answers and time.monotonic() < end:
        for payload in reader.feed(stream.read(0.2)):
            if marked:
                found.append(payload)
            marked |= payload[1:3] == (0xBEEF).to_bytes(2, "little")
    assert len(found) == answers
    assert reader.damaged == 0
    return found


def alive(session: Session) -> None:
    assert session.request("HELLO")["network"] == "fake"


def test_hello_and_tensors(session: Session) -> None:
    hello = session.request("HELLO")
    assert (hello["network"], hello["layers"], hello["inputs"], hello["outputs"]) == ("fake", 3, 2, 2)
    assert (hello["arena_bytes"], len(hello["model_hash"]), hello["tick_kind"]) == (28, 64, 3)
    first = session.request("TENSOR_INFO", direction=0, index=0)
    assert dict(first) == {
        "name": "first",
        "dtype": 0,
        "bytes": 4,
        "scale": 0.5,
        "zero_point": -3,
        "row_bytes": 0,
        "dims": [1, 4],
    }
    assert session.request("TENSOR_INFO", direction=0, index=1)["name"] == "second é"
    assert session.request("TENSOR_INFO", direction=1, index=1)["dtype"] == 3


def test_inference_in_chunks_with_state(session: Session) -> None:
    session.request("RESET_STATE")
    for number in range(1, 4):
        session.request("WRITE_INPUT", tensor=0, offset=0, data=b"\x01\x02")
        session.request("WRITE_INPUT", tensor=0, offset=2, data=b"\x7f\xff")
        session.request("WRITE_INPUT", tensor=1, offset=0, data=bytes(8))
        assert session.request("INFER")["status"] == 0
        assert session.request("READ_OUTPUT", tensor=0, offset=1, length=3)["data"] == b"\x03\x80\x00"
        assert session.request("READ_OUTPUT", tensor=1, offset=0, length=4)["data"] == struct.pack("<i", number)
    session.request("RESET_STATE")
    session.request("INFER")
    assert session.request("READ_OUTPUT", tensor=1, offset=0, length=4)["data"] == struct.pack("<i", 1)


def test_hooks(session: Session) -> None:
    session.request("WRITE_INPUT", tensor=0, offset=0, data=bytes([5, 6, 7, 61]))
    assert session.request("TRACE_LAYER", layer=0)["data"] == bytes([10, 12, 14, 2])
    assert len(session.request("PROFILE", first=0)["ticks"]) == 3
    assert len(session.request("PROFILE", first=2)["ticks"]) == 1
    with pytest.raises(DeviceRefusedError, match="no such layer") as refusal:
        session.request("TRACE_LAYER", layer=3)
    assert refusal.value.reason == Reason.RANGE


def test_without_hooks(plain: Session) -> None:
    for name, fields in (("PROFILE", {"first": 0}), ("TRACE_LAYER", {"layer": 0})):
        with pytest.raises(DeviceRefusedError, match="hooks") as refusal:
            plain.request(name, **fields)
        assert refusal.value.reason == Reason.UNAVAILABLE


def test_status_of_the_network_is_reported(session: Session) -> None:
    session.request("WRITE_INPUT", tensor=1, offset=0, data=np.array([0, 13], "<f4").tobytes())
    assert session.request("INFER")["status"] == -13
    with pytest.raises(DeviceRefusedError) as refusal:
        session.request("TRACE_LAYER", layer=0)
    assert refusal.value.reason == Reason.UNAVAILABLE  # the first layer's hook was not reached
    session.request("WRITE_INPUT", tensor=1, offset=0, data=bytes(8))


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("TENSOR_INFO", {"direction": 0, "index": 2}),
        ("TENSOR_INFO", {"direction": 5, "index": 0}),
        ("WRITE_INPUT", {"tensor": 2, "offset": 0, "data": b""}),
        ("WRITE_INPUT", {"tensor": 0, "offset": 0, "data": bytes(5)}),
        ("WRITE_INPUT", {"tensor": 0, "offset": 5, "data": b""}),
        ("WRITE_INPUT", {"tensor": 0, "offset": 0xFFFFFFFF, "data": bytes(2)}),
        ("READ_OUTPUT", {"tensor": 2, "offset": 0, "length": 0}),
        ("READ_OUTPUT", {"tensor": 0, "offset": 1, "length": 4}),
        ("READ_OUTPUT", {"tensor": 0, "offset": 2, "length": 0xFFFFFFFF}),
        ("PROFILE", {"first": 60000}),
    ],
)
def test_what_is_outside_is_refused(session: Session, name: str, fields: dict[str, object]) -> None:
    session.request("INFER")  # so that there is a profile
    with pytest.raises(DeviceRefusedError) as refusal:
        session.request(name, **fields)
    assert refusal.value.reason == Reason.RANGE
    alive(session)


@pytest.mark.parametrize("name", ["INFER_BULK", "READ_MEMORY", "WRITE_MEMORY"])
def test_no_bulk_memory(session: Session, name: str) -> None:
    fields = {"INFER_BULK": [0, 0, 1, 0], "READ_MEMORY": [0, 1], "WRITE_MEMORY": [0, b"x"]}[name]
    with pytest.raises(DeviceRefusedError, match="no bulk memory"):
        session.request(name, **dict(zip([f.name for f in BY_NAME[name].request], fields, strict=True)))


def test_bulk_memory(plain: Session) -> None:
    assert plain.request("HELLO")["harness_bytes"] == 100
    sample = bytes([1, 2, 3, 4]) + bytes(8)
    plain.request("WRITE_MEMORY", offset=4, data=sample * 3)
    done = plain.request("INFER_BULK", input_offset=4, output_offset=60, count=3, reset_each=0)
    assert (done["done"], done["status"]) == (3, 0)
    expected = b"".join(bytes([2, 3, 4, 5]) + struct.pack("<i", n) for n in (1, 2, 3))
    assert plain.request("READ_MEMORY", offset=60, length=24)["data"] == expected
    plain.request("INFER_BULK", input_offset=4, output_offset=60, count=2, reset_each=1)
    assert plain.request("READ_MEMORY", offset=72, length=4)["data"] == struct.pack("<i", 1)
    bad = bytes(8) + struct.pack("<f", 13.0)
    plain.request("WRITE_MEMORY", offset=16, data=bad)
    failed = plain.request("INFER_BULK", input_offset=4, output_offset=60, count=3, reset_each=0)
    assert (failed["done"], failed["status"]) == (1, -13)


@pytest.mark.parametrize(
    ("first", "out", "count"),
    [(0, 0, 9), (101, 0, 0), (0, 101, 0), (90, 0, 1), (0, 93, 1), (0, 0, 0xFFFFFFFF), (0xFFFFFFFF, 0, 1)],
)
def test_bulk_outside(plain: Session, first: int, out: int, count: int) -> None:
    with pytest.raises(DeviceRefusedError) as refusal:
        plain.request("INFER_BULK", input_offset=first, output_offset=out, count=count, reset_each=0)
    assert refusal.value.reason == Reason.RANGE


def test_training(session: Session) -> None:
    session.request("RESET_STATE")
    assert session.request("TENSOR_INFO", direction=2, index=0)["name"] == "label"
    assert session.request("TENSOR_INFO", direction=3, index=0)["dims"] == [2]
    session.request("LEARNING_RATE", rate=0.25)
    for tensor, data in ((0, bytes(4)), (1, bytes(8))):
        session.request("WRITE_INPUT", tensor=tensor, offset=0, data=data)
    losses = []
    for label in (1, -1, 3):
        answer = session.request("TRAIN_STEP", label=struct.pack("<i", label))
        assert answer["skipped"] == (2 if label < 0 else 0)
        losses.append(answer["loss"])
    assert losses == [1.0, 1.5, 1.5]
    weights = {"tensor": 0, "offset": 4, "length": 4}
    assert session.request("READ_WEIGHTS", **weights)["data"] == struct.pack("<f", 1.5)
    for frozen, after in ((1, 1.5), (0, 2.0)):
        session.request("FREEZE", tensor=0, frozen=frozen)
        for tensor, data in ((0, bytes(4)), (1, bytes(8))):
            session.request("WRITE_INPUT", tensor=tensor, offset=0, data=data)
        session.request("TRAIN_STEP", label=struct.pack("<i", 2))
        assert session.request("READ_WEIGHTS", **weights)["data"] == struct.pack("<f", after)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("TRAIN_STEP", {"label": bytes(3)}),
        ("TRAIN_STEP", {"label": bytes(8)}),
        ("FREEZE", {"tensor": 1, "frozen": 1}),
        ("READ_WEIGHTS", {"tensor": 1, "offset": 0, "length": 1}),
        ("READ_WEIGHTS", {"tensor": 0, "offset": 4, "length": 5}),
        ("READ_WEIGHTS", {"tensor": 0, "offset": 2**32 - 1, "length": 2}),
        ("TENSOR_INFO", {"direction": 2, "index": 1}),
        ("TENSOR_INFO", {"direction": 3, "index": 1}),
        ("TENSOR_INFO", {"direction": 4, "index": 0}),
    ],
)
def test_training_outside_is_refused(session: Session, name: str, fields: dict[str, object]) -> None:
    with pytest.raises(DeviceRefusedError) as refusal:
        session.request(name, **fields)
    assert refusal.value.reason == Reason.RANGE
    alive(session)


def weight(session: Session) -> float:
    (value,) = struct.unpack("<f", session.request("READ_WEIGHTS", tensor=0, offset=0, length=4)["data"])
    return float(value)


def test_weights_in_flash(session: Session) -> None:
    session.request("RESET_STATE")
    session.request("LEARNING_RATE", rate=0.25)
    assert session.request("FORGET_WEIGHTS")["status"] == 0
    assert session.request("LOAD_WEIGHTS")["status"] == -1
    session.request("TRAIN_STEP", label=struct.pack("<i", 2))
    assert dict(session.request("SAVE_WEIGHTS")) == {"status": 0, "bytes": 8, "room": 7}
    session.request("RESET_STATE")
    assert weight(session) == 0.5
    assert session.request("LOAD_WEIGHTS")["status"] == 0
    assert weight(session) == 1.0
    assert session.request("FORGET_WEIGHTS")["status"] == 0
    assert weight(session) == 1.0  # what the network computes with stays
    assert session.request("LOAD_WEIGHTS")["status"] == -1


@pytest.mark.parametrize(("name", "status"), [("SAVE_WEIGHTS", -3), ("LOAD_WEIGHTS", -4), ("FORGET_WEIGHTS", -5)])
def test_a_flash_that_fails_is_reported(session: Session, name: str, status: int) -> None:
    session.request("LEARNING_RATE", rate=9.0)
    assert session.request(name)["status"] == status
    session.request("LEARNING_RATE", rate=0.25)


NEEDS_TRAINING = [
    ("TRAIN_STEP", {"label": bytes(4)}),
    ("LEARNING_RATE", {"rate": 1.0}),
    *((name, {}) for name in ("SAVE_WEIGHTS", "LOAD_WEIGHTS", "FORGET_WEIGHTS")),
]


@pytest.mark.parametrize(("name", "fields"), NEEDS_TRAINING)
def test_a_network_without_training_says_so(plain: Session, name: str, fields: dict[str, object]) -> None:
    with pytest.raises(DeviceRefusedError) as refusal:
        plain.request(name, **fields)
    assert refusal.value.reason == Reason.UNAVAILABLE


def test_guard_and_counters(session: Session) -> None:
    before = session.request("STATS")
    session.request("INFER")
    after = session.request("STATS")
    assert after["guard"] == 1
    assert after["inferences"] == before["inferences"] + 1
    assert after["frames"] >= before["frames"] + 2


def error_of(answer: bytes) -> tuple[int, int]:
    """Request number and reason of an ERROR answer."""
    assert answer[0] == ERROR.code | ANSWER_BIT
    return int.from_bytes(answer[1:3], "little"), answer[3]


@pytest.mark.parametrize("code", sorted(set(range(256)) - {m.code for m in MESSAGES}))
def test_unknown_codes(stream: ProcessStream, code: int) -> None:
    (answer,) = exchange(stream, encode_frame(request_bytes(code, 77, b"")))
    assert error_of(answer) == (77, Reason.UNKNOWN)


@pytest.mark.parametrize("message", [m for m in MESSAGES if m.name not in ("EXIT", "TRAIN_STEP")], ids=lambda m: m.name)
def test_wrong_lengths(stream: ProcessStream, message: object, session: Session) -> None:
    name = message.name  # type: ignore[attr-defined]
    fixed = BY_NAME[name].request and BY_NAME[name].request[-1].type not in ("bytes",)
    too_long = b"x" * 90 if fixed or not BY_NAME[name].request else b""
    for body in {b"x" * (1 if BY_NAME[name].request else 2), too_long} - {b""}:
        (answer,) = exchange(stream, encode_frame(request_bytes(BY_NAME[name].code, 5, body)))
        assert error_of(answer) == (5, Reason.LENGTH)
    alive(session)


@pytest.mark.parametrize("size", range(7))
def test_too_short_for_a_header(stream: ProcessStream, size: int) -> None:
    (answer,) = exchange(stream, encode_frame(request_bytes(1, 9, b"")[:size]))
    assert error_of(answer)[1] == Reason.LENGTH


@pytest.mark.parametrize("extra", [1, 2, 3, 4, 5, 6, 300, 70000])
def test_longer_than_the_buffer(stream: ProcessStream, session: Session, extra: int) -> None:
    longest = session.request("HELLO")["max_payload"]
    header = request_bytes(BY_NAME["WRITE_INPUT"].code, 300, b"")
    (answer,) = exchange(stream, encode_frame(header + bytes(longest - len(header) + extra)))
    assert error_of(answer) == (300, Reason.TOO_LONG)
    (answer,) = exchange(stream, encode_frame(header + bytes(longest - len(header))))
    assert error_of(answer) == (300, Reason.RANGE)  # fits the buffer, not the input
    alive(session)


def test_wrong_crc_is_said_at_once(stream: ProcessStream) -> None:
    frame = bytearray(encode_frame(request_bytes(1, 3, b"")))
    frame[2] ^= 0x10
    (answer,) = exchange(stream, bytes(frame))
    assert error_of(answer) == (0, Reason.DAMAGED)


@FUZZ
@given(st.lists(st.one_of(st.binary(max_size=400), st.binary(max_size=40).map(encode_frame)), max_size=6))
def test_any_bytes_leave_the_server_alive(stream: ProcessStream, pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    stream.write(data, 5.0)
    alive(Session(stream))


@FUZZ
@given(st.sampled_from([m for m in MESSAGES if m.name != "EXIT"]), st.binary(max_size=40))
def test_any_fields_get_exactly_one_answer(stream: ProcessStream, message: object, body: bytes) -> None:
    code = message.code  # type: ignore[attr-defined]
    (answer,) = exchange(stream, encode_frame(request_bytes(code, 1234, body)))
    assert answer[0] in (code | ANSWER_BIT, ERROR.code | ANSWER_BIT)
    assert int.from_bytes(answer[1:3], "little") == 1234


@FUZZ
@given(st.binary(max_size=1500))
def test_frames_of_the_server_equal_those_of_python(stream: ProcessStream, text: bytes) -> None:
    """Any payload, cut at any place, gets one good frame."""
    assume(text[:1] != bytes([BY_NAME["EXIT"].code]))
    for cut in {0, 1, len(text) // 2, len(text)}:
        answers = exchange(stream, b"\x00" + encode_frame(text[:cut]))
        assert answers[0][0] & ANSWER_BIT


def test_deadline_is_kept_by_the_device(plain: Session) -> None:
    plain.enforce_on_device = False
    plain.request("WRITE_MEMORY", offset=0, data=bytes(12))
    body = pack(BY_NAME["INFER_BULK"].request, {"input_offset": 0, "output_offset": 0, "count": 4, "reset_each": 1})
    stream = plain.stream
    assert isinstance(stream, ProcessStream)
    # One millisecond is enough for four samples of this network; the slow sample (its input asks for it) is not.
    plain.request("WRITE_MEMORY", offset=0, data=(bytes(8) + struct.pack("<f", 14.0)) * 4)
    (answer,) = exchange(stream, encode_frame(request_bytes(BY_NAME["INFER_BULK"].code, 8, body, deadline_ms=1)))
    assert error_of(answer) == (8, Reason.DEADLINE)


@pytest.mark.parametrize("noise", [b"abc\x00", b"abc\x00" * 3, b"\x05\x00", b"abc"])
def test_inference_runs_once_in_spite_of_noise(plain: Session, noise: bytes) -> None:
    """The device complains about noise before the request; that complaint must not make it run twice."""
    assert isinstance(plain.stream, ProcessStream)
    before = plain.request("STATS")["inferences"]
    plain.stream.write(noise, 1.0)
    assert plain.request("INFER")["status"] == 0
    assert plain.request("STATS")["inferences"] == before + 1


def test_exit(plain_program: Path) -> None:
    line = ProcessStream([str(plain_program)], name="host")
    try:
        Session(line).request("EXIT", status=3)
        assert line.wait(5.0) == 3
    finally:
        line.close()
