"""The host's side alone, against a line that loses, damages, delays and duplicates."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from mcu_gen.errors import DeviceError
from mcu_gen.link.fields import ProtocolError, pack, unpack
from mcu_gen.link.framing import FrameReader, encode_frame
from mcu_gen.link.messages import ANSWER_BIT, BY_CODE, BY_NAME, ERROR, REQUEST_HEADER, Reason
from mcu_gen.link.session import DeviceRefusedError, Session

INFER, STATS, HELLO = (BY_NAME[n] for n in ("INFER", "STATS", "HELLO"))
VALUES = {"u8": 1, "u16": 1, "u32": 1, "u64": 1, "i32": 0, "f32": 0.0, "str": "", "bytes": b"", "u32s": [], "u64s": []}


def answer(code: int, number: int) -> bytes:
    fields = BY_CODE[code].answer
    return bytes([code | ANSWER_BIT, *number.to_bytes(2, "little")]) + pack(
        fields, {f.name: VALUES[f.type] for f in fields}
    )


def refusal(number: int, reason: int) -> bytes:
    body = pack(ERROR.answer, {"reason": reason, "text": "why"})
    return bytes([ERROR.code | ANSWER_BIT, *number.to_bytes(2, "little")]) + body


def damaged(frame: bytes) -> bytes:
    return frame[:1] + bytes([frame[1] ^ 1 or 2]) + frame[2:]


class Line:
    """A device of a few lines: ``reply(n, code, number)`` gives the bytes for the n-th request that arrives."""

    name = "line"

    def __init__(self, reply: Callable[[int, int, int], bytes]) -> None:
        self.reply = reply
        self.seen: list[int] = []
        self._reader = FrameReader()
        self._out = b""

    def write(self, data: bytes, timeout_s: float) -> None:
        for payload in self._reader.feed(data):
            header = unpack(REQUEST_HEADER, payload[:7])
            self.seen.append(header["code"])
            self._out += self.reply(len(self.seen), header["code"], header["id"])

    def read(self, timeout_s: float) -> bytes:
        out, self._out = self._out, b""
        if not out:
            time.sleep(timeout_s)
        return out

    def close(self) -> None:
        pass


def good(n: int, code: int, number: int) -> bytes:
    return encode_frame(answer(code, number))


def test_good_line() -> None:
    assert Session(Line(good)).request("INFER") == {"status": 0, "ticks": 1}


@pytest.mark.parametrize("name", ["INFER", "STATS"])
def test_silence_ends_at_the_deadline_and_names_message_and_device(name: str) -> None:
    start = time.monotonic()
    with pytest.raises(DeviceError, match=rf"line: no answer to {name} in 0.3 s"):
        Session(Line(lambda *_: b"")).request(name, deadline_s=0.3)
    assert 0.3 <= time.monotonic() - start < 1.0


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(lambda code, number: b"", id="lost"),
        pytest.param(lambda code, number: damaged(encode_frame(answer(code, number))), id="answer damaged"),
        pytest.param(lambda code, number: encode_frame(refusal(0, Reason.DAMAGED)), id="request damaged"),
        pytest.param(lambda code, number: encode_frame(answer(code, number + 1)), id="answer to another"),
        pytest.param(lambda code, number: encode_frame(b"\x01"), id="no answer at all"),
    ],
)
def test_repeatable_message_is_asked_again(first: Callable[[int, int], bytes]) -> None:
    line = Line(lambda n, code, number: first(code, number) if n == 1 else good(n, code, number))
    assert Session(line).request("STATS", deadline_s=1.5)["inferences"] == 1
    assert line.seen == [STATS.code] * 2


def test_lost_inference_is_sent_again_when_the_device_never_saw_it() -> None:
    line = Line(lambda n, code, number: encode_frame(refusal(0, Reason.DAMAGED)) if n == 1 else good(n, code, number))
    assert Session(line).request("INFER", deadline_s=2.0)["status"] == 0
    assert line.seen == [INFER.code, HELLO.code, INFER.code]


def test_inference_whose_answer_was_damaged_is_not_repeated() -> None:
    line = Line(lambda n, code, number: damaged(good(n, code, number)) if n == 1 else good(n, code, number))
    with pytest.raises(DeviceError, match="the answer to INFER arrived damaged"):
        Session(line).request("INFER", deadline_s=5.0)
    assert line.seen.count(INFER.code) == 1


def test_stale_complaint_does_not_repeat_an_inference() -> None:
    """The complaint belongs to noise before; the request itself arrives and is answered."""
    line = Line(
        lambda n, code, number: (encode_frame(refusal(0, Reason.DAMAGED)) if n == 1 else b"") + good(n, code, number)
    )
    assert Session(line).request("INFER")["status"] == 0
    assert line.seen.count(INFER.code) == 1


def test_refusal_carries_reason_and_text() -> None:
    with pytest.raises(DeviceRefusedError, match=r"line: the device refused INFER: why \(RANGE\)") as error:
        Session(Line(lambda n, code, number: encode_frame(refusal(number, Reason.RANGE)))).request("INFER")
    assert (error.value.reason, error.value.exit_code) == (Reason.RANGE, 7)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(lambda n, code, number: encode_frame(answer(code, number) + b"x"), id="too long"),
        pytest.param(lambda n, code, number: encode_frame(answer(code, number)[:-1]), id="too short"),
        pytest.param(lambda n, code, number: encode_frame(answer(STATS.code, number)), id="another message"),
    ],
)
def test_answers_against_the_table(reply: Callable[[int, int, int], bytes]) -> None:
    with pytest.raises(ProtocolError, match="INFER"):
        Session(Line(reply)).request("INFER")
