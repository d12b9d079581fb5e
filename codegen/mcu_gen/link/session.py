"""The host's side of a conversation: one request, one answer, a deadline."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from typing import Any, Protocol

from mcu_gen.errors import DeviceError
from mcu_gen.link.fields import ProtocolError, pack, unpack
from mcu_gen.link.framing import FrameReader, encode_frame
from mcu_gen.link.messages import ANSWER_BIT, ANSWER_HEADER, BY_NAME, ERROR, REQUEST_HEADER, Reason

_REQUEST_HEADER_BYTES = 7
_ANSWER_HEADER_BYTES = 3
_MAX_REPEATS = 3
_POLL_S = 0.05


class Stream(Protocol):
    """A two-way stream of bytes to a device.

    ``name`` is what an error calls it.  ``write`` and ``read`` raise DeviceError when the other side has gone.
    """

    name: str

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends all of ``data``."""

    def read(self, timeout_s: float) -> bytes:
        """What has arrived, at least one byte; empty when nothing came in time."""

    def close(self) -> None:
        """Ends the connection and whatever it started.  Can be called twice."""


class DeviceRefusedError(DeviceError):
    """The device answered with ERROR.

    Attributes:
        reason: why.
    """

    code = "device_refused"

    def __init__(self, message: str, *, where: str, reason: int) -> None:
        super().__init__(message, where=where)
        self.reason = reason


class Session:
    """Requests over a stream.

    Args:
        stream: the connection.
        deadline_s: default deadline of a request.
        enforce_on_device: whether the device is told the deadline, too, so that it gives up long work by itself.
    """

    def __init__(self, stream: Stream, *, deadline_s: float = 10.0, enforce_on_device: bool = True) -> None:
        self.stream = stream
        self.deadline_s = deadline_s
        self.enforce_on_device = enforce_on_device
        self.max_payload = 256  # until HELLO says more; every device takes this much
        self._reader = FrameReader()
        self._ids = itertools.cycle(range(1, 1 << 16))

    @property
    def chunk_bytes(self) -> int:
        """Bytes of data that fit into one request beside its header and at most 8 bytes of other fields."""
        return self.max_payload - _REQUEST_HEADER_BYTES - 8

    def request(
        self, name: str, *, deadline_s: float | None = None, repeat_s: float | None = None, **fields: Any
    ) -> Mapping[str, Any]:
        """Sends the message ``name`` and returns the fields of its answer.

        A request that arrived damaged is sent again; one whose answer was lost only where the table of messages says
        that asking twice is harmless, every ``repeat_s`` (a third of the deadline unless told).

        Raises:
            DeviceRefusedError: the device answered with ERROR.
            ProtocolError: the answer does not follow the table of messages.
            DeviceError: no answer before the deadline, or the device has gone.
        """
        message = BY_NAME[name]
        limit = self.deadline_s if deadline_s is None else deadline_s
        number = next(self._ids)
        header = {"code": message.code, "id": number}
        header["deadline_ms"] = min(int(limit * 1000), 0xFFFFFFFF) if self.enforce_on_device else 0
        # The delimiter in front ends whatever noise the line carried before.
        frame = b"\x00" + encode_frame(pack(REQUEST_HEADER, header) + pack(message.request, fields))
        start = time.monotonic()
        sends = 0
        damaged_before = self._reader.damaged
        next_send = start
        every = limit / 3 if repeat_s is None else repeat_s
        while (now := time.monotonic()) - start < limit:
            if sends == 0 or (message.repeatable and now >= next_send):
                self.stream.write(frame, max(limit - (now - start), _POLL_S))
                sends += 1
                next_send = time.monotonic() + every
            for payload in self._reader.feed(self.stream.read(max(0.0, min(_POLL_S, start + limit - now)))):
                answer = self._answer(payload, number)
                if answer is None:
                    continue
                code, body = answer
                if code == ERROR.code:
                    refusal = unpack(ERROR.answer, body)
                    if refusal["reason"] == Reason.DAMAGED and sends <= _MAX_REPEATS:
                        self.stream.write(frame, max(limit - (time.monotonic() - start), _POLL_S))
                        sends += 1
                        continue
                    raise self._refused(name, refusal)
                if code != message.code:
                    raise ProtocolError(f"{name} was answered with code 0x{code:02x}", where=self.stream.name)
                try:
                    return unpack(message.answer, body)
                except ProtocolError as error:
                    raise ProtocolError(f"the answer to {name}: {error}", where=self.stream.name) from None
            if self._reader.damaged != damaged_before and message.repeatable and sends <= _MAX_REPEATS:
                damaged_before = self._reader.damaged
                next_send = 0.0  # an answer came in pieces: ask again at once
        damaged = self._reader.damaged - damaged_before
        noise = f" ({damaged} damaged frames arrived)" if damaged else ""
        raise DeviceError(f"no answer to {name} from {self.stream.name} in {limit:g} s{noise}", where=self.stream.name)

    def _answer(self, payload: bytes, number: int) -> tuple[int, bytes] | None:
        """Code and fields of the answer to request ``number``; None for what belongs to an earlier one."""
        if len(payload) < _ANSWER_HEADER_BYTES:
            return None
        header = unpack(ANSWER_HEADER, payload[:_ANSWER_HEADER_BYTES])
        code = header["code"] & ~ANSWER_BIT
        body = payload[_ANSWER_HEADER_BYTES:]
        if not header["code"] & ANSWER_BIT:
            return None
        if header["id"] == number:
            return code, body
        # A request whose frame was damaged has no readable number; the device says so with 0.
        if header["id"] == 0 and code == ERROR.code and body[:1] == bytes([Reason.DAMAGED]):
            return code, body
        return None

    def _refused(self, name: str, refusal: Mapping[str, Any]) -> DeviceRefusedError:
        reason = int(refusal["reason"])
        known = Reason(reason).name if reason in set(Reason) else f"reason {reason}"
        text = f"the device refused {name}: {refusal['text']} ({known})"
        return DeviceRefusedError(text, where=self.stream.name, reason=reason)
